import { lastWords, runTool } from './tool.ts'

/**
 * Containers that hold their own media. Playlists and scripts (hls, dash, concat, image2 …) are not among them: a "film" that names other
 * files or addresses is refused before anything it names is opened (THREATS 21).
 */
export const SAFE_DEMUXERS = `mov matroska webm avi mpegts mpeg mpegvideo asf flv mxf ogg dv h264 hevc m4v ivf gif apng rm nut wtv obu r3d
  wav w64 mp3 aac flac aiff ac3 amr ape wv dsf caf mjpeg jpeg_pipe png_pipe webp_pipe tiff_pipe bmp_pipe jpegxl_pipe`
  .split(/\s+/)
  .join(',')

/** Whether it is an address of our own door for films that lie elsewhere (deriver/film-door.ts), and no absolute path. */
export const isFar = (path: string): boolean => path.startsWith('http://127.0.0.1:')
/** No proxy of this machine is asked for what lies behind our own door. A silence of that long ends it. */
const FAR = ['-http_proxy', '', '-seekable', '1', '-rw_timeout', '20000000']

/** Input options that every ffmpeg and ffprobe of ours gets. `path` is absolute, or `isFar`. */
export function safeInput(path: string): string[] {
  const how = isFar(path) ? ['-protocol_whitelist', 'http,tcp', ...FAR] : ['-protocol_whitelist', 'file,crypto,data']
  return [...how, '-format_whitelist', SAFE_DEMUXERS, '-i', isFar(path) ? path : `file:${path}`]
}

const TIMEOUT_MS = 20_000
const OUTPUT_MAX_BYTES = 4 * 1024 * 1024
const MEMORY_MAX_BYTES = 2 * 1024 ** 3

export type FfprobeResult = { readonly json: unknown } | { readonly error: string }

/** Reads the streams of a file. @throws ToolError when ffprobe is missing or breaks a limit. */
export async function ffprobe(program: string, path: string, signal: AbortSignal): Promise<FfprobeResult> {
  const args = [
    '-v',
    'error',
    '-of',
    'json',
    '-show_format',
    '-show_streams',
    '-probesize',
    '20M',
    '-analyzeduration',
    '10M',
    ...safeInput(path),
  ]
  const output = await runTool(program, args, {
    timeoutMs: TIMEOUT_MS,
    outputMaxBytes: OUTPUT_MAX_BYTES,
    memoryMaxBytes: MEMORY_MAX_BYTES,
    signal,
  })
  if (output.code !== 0) return { error: lastWords(output.stderr) }
  try {
    return { json: JSON.parse(output.stdout.toString('utf8')) }
  } catch {
    return { error: 'ffprobe answered nothing that can be read' }
  }
}
