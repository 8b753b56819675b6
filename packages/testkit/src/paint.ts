import { createHash } from 'node:crypto'
import sharp from 'sharp'

/** A picture that could be a landscape: the same for the same seed. WebP of the size asked for. */
export function paint(seed: string, width: number, height: number, format: 'webp' | 'jpeg' = 'webp'): Promise<Buffer> {
  const bytes = createHash('sha256').update(seed).digest()
  const at = (index: number): number => (bytes[index % bytes.length] ?? 0) / 255
  const hue = Math.round(at(0) * 360)
  const sky = `hsl(${hue} ${20 + at(1) * 40}% ${55 + at(2) * 30}%)`
  const low = `hsl(${(hue + 40) % 360} ${30 + at(3) * 40}% ${60 + at(4) * 25}%)`
  const hills = [0, 1, 2, 3].map((layer) => {
    const base = height * (0.45 + layer * 0.14)
    const swing = height * 0.16
    const points = [0, 1, 2, 3, 4, 5].map((x) => `${(x / 5) * width},${base - swing * at(5 + layer * 6 + x)}`).join(' ')
    return `<polygon points="0,${height} ${points} ${width},${height}" fill="hsl(${(hue + 180 + layer * 14) % 360} ${12 + layer * 7}% ${44 - layer * 10}%)"/>`
  })
  const svg = `<svg xmlns="http://www.w3.org/2000/svg" width="${width}" height="${height}"><defs><linearGradient id="g" x1="0" y1="0" x2="0" y2="1"><stop offset="0" stop-color="${sky}"/><stop offset="1" stop-color="${low}"/></linearGradient></defs>
<rect width="100%" height="100%" fill="url(#g)"/><circle cx="${width * (0.2 + at(30) * 0.6)}" cy="${height * 0.3}" r="${height * 0.07}" fill="#fff8e0" opacity="0.8"/>${hills.join('')}</svg>`
  const image = sharp(Buffer.from(svg))
  return format === 'webp' ? image.webp({ quality: 80 }).toBuffer() : image.jpeg({ quality: 80 }).toBuffer()
}
