import sharp from 'sharp'

/** A JPEG of noise, about 60 KB, with what a camera writes into it: maker, model, lens, date and zone. */
export function cameraPicture(): Promise<Buffer> {
  const noise = { type: 'gaussian', mean: 128, sigma: 30 } as const
  return sharp({ create: { width: 640, height: 480, channels: 3, background: 'gray', noise } })
    .withExif({
      IFD0: { Make: 'Acme', Model: 'Nine', DateTime: '2022:01:02 03:04:05' },
      IFD2: { DateTimeOriginal: '2022:01:02 03:04:05', OffsetTimeOriginal: '+02:00', LensModel: 'Acme 50 mm' },
    })
    .jpeg({ quality: 70 })
    .toBuffer()
}
