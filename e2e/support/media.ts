import { execFile } from 'node:child_process'
import { mkdir, readFile, rename, writeFile } from 'node:fs/promises'
import path from 'node:path'
import { promisify } from 'node:util'

const execute = promisify(execFile)
const ffmpeg = process.env['FFMPEG_PATH'] ?? 'ffmpeg'

export interface GeneratedMedia {
  readonly directory: string
  /** Titles that must be seen, as the Explorer shows them. */
  readonly photos: readonly string[]
  readonly videos: readonly string[]
  /** A picture that was cut off: listed, with the reason in its place. */
  readonly broken: string
  /** A file of 0 bytes: not listed, told among the problems. */
  readonly empty: string
}

/** A person's folder: photos and films, odd names, and some files that are no good. Makes it in a few seconds. */
export async function generateMedia(directory: string): Promise<GeneratedMedia> {
  const deep = path.join(directory, 'Übung 2026', 'take 1')
  await mkdir(deep, { recursive: true })
  const photos = ['garden.jpg', 'with spaces.jpg', 'Grüße aus Köln.jpg', 'party 🎉.jpg', 'two\nlines.jpg', '-dash.png']
  for (const [index, name] of photos.entries()) {
    const made = path.join(directory, `made.${name.split('.').at(-1)}`)
    const picture = `testsrc2=size=1280x${800 + index * 16}:rate=1`
    await execute(ffmpeg, [
      '-v',
      'error',
      '-y',
      '-f',
      'lavfi',
      '-i',
      picture,
      '-vf',
      `hue=h=${index * 55}`,
      '-frames:v',
      '1',
      '-update',
      '1',
      made,
    ])
    await rename(made, path.join(index % 2 ? deep : directory, name))
  }
  const videos = ['harbour.mp4', 'clip with ümlaut.webm']
  const source = ['-f', 'lavfi', '-i', 'testsrc2=size=640x360:rate=25', '-f', 'lavfi', '-i', 'sine=frequency=440', '-t', '4']
  const h264 = ['-c:v', 'libx264', '-pix_fmt', 'yuv420p', '-preset', 'ultrafast', '-c:a', 'aac', '-movflags', '+faststart']
  const vp8 = ['-c:v', 'libvpx', '-deadline', 'realtime', '-b:v', '500k', '-c:a', 'libvorbis']
  await execute(ffmpeg, ['-v', 'error', '-y', ...source, ...h264, path.join(directory, videos[0] ?? '')])
  await execute(ffmpeg, ['-v', 'error', '-y', ...source, ...vp8, path.join(deep, videos[1] ?? '')])
  await writeFile(path.join(directory, 'empty.mp4'), '')
  const whole = await readFile(path.join(directory, 'garden.jpg'))
  await writeFile(path.join(directory, 'broken.jpg'), whole.subarray(0, 700))
  await writeFile(path.join(directory, 'notes.txt'), 'not media\n')
  return { directory, photos, videos, broken: 'broken.jpg', empty: 'empty.mp4' }
}
