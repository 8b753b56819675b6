/** Video encoder names of `ffmpeg -encoders`, as listed. Listed is not usable: a distribution's build lists NVENC on every machine. */
export function parseVideoEncoders(text: string): string[] {
  return text
    .split(/\r?\n/)
    .map((line) => /^\s*V[.FSXBD]{5}\s+([a-z0-9_]+)\s/.exec(line)?.[1])
    .filter((name) => name !== undefined)
}

/** "5.1.6-0+deb12u1" out of `ffmpeg -version`. */
export function parseFfmpegVersion(text: string): string | null {
  return /^ffmpeg version (\S+)/m.exec(text)?.[1] ?? null
}
