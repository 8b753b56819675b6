import type { Finding } from '@thatdam/protocol/doctor'
import { findFfmpeg, findFfprobe } from '../../facts/gather.ts'
import { parseFfmpegVersion, parseVideoEncoders } from '../../facts/parse/ffmpeg-encoders.ts'
import type { Check } from '../check.ts'
import { fail, ok } from '../finding.ts'
import { installCommand } from '../machine.ts'

const NAME = 'ffmpeg'
/** Options of the camera pipelines that older ones do not know. */
const OLDEST = 4.3

/** ffmpeg and ffprobe: there, new enough, and able to make what browsers play. */
export const check: Check = {
  name: NAME,
  limitMs: 5_500,
  run: async ({ agent, env, machine }) => {
    const install = installCommand(machine, 'ffmpeg')
    const ffmpeg = findFfmpeg(env.ffmpegPath)
    if (!ffmpeg) return [fail(NAME, 'Not found: cameras, recordings and video previews wait for it.', install)]
    const [version, encoders] = await Promise.all([
      machine.run(ffmpeg, ['-hide_banner', '-version'], 4_500),
      machine.run(ffmpeg, ['-hide_banner', '-encoders'], 4_500),
    ])
    const known = parseFfmpegVersion(version.stdout)
    if (known === null) return [fail(NAME, `${ffmpeg} does not run.`, `Try it by hand: ${ffmpeg} -version`)]
    const seen = agent?.facts.encoders ?? parseVideoEncoders(encoders.stdout).filter((name) => name.startsWith('lib'))
    return [...judgeVersion(known, ffmpeg, install), ...probeFinding(ffmpeg, install), encoderFinding(seen, install)]
  },
}

function judgeVersion(version: string, ffmpeg: string, install: string): Finding[] {
  // A build from source is called by its commit: then its encoders alone tell.
  const number = Number(/^n?(\d+\.\d+)/.exec(version)?.[1] ?? OLDEST)
  if (number < OLDEST) return [fail(NAME, `${version} (${ffmpeg}) is too old: cameras need ${OLDEST} or newer.`, install)]
  return [ok(NAME, `${version} (${ffmpeg}).`)]
}

function probeFinding(ffmpeg: string, install: string): Finding[] {
  if (findFfprobe(ffmpeg)) return []
  return [fail('ffprobe', 'Not found beside ffmpeg or on the PATH: videos cannot be indexed.', install)]
}

/** What the running agent saw work; without one only software encoders, since every ffmpeg lists hardware that is not there. */
function encoderFinding(seen: readonly string[], install: string): Finding {
  const h264 = seen.filter((name) => name === 'libx264' || name === 'libopenh264' || name.startsWith('h264_'))
  if (h264.length > 0) return ok('Encoders', `H.264 by ${h264.join(', ')}.`)
  return fail('Encoders', 'This ffmpeg cannot make H.264: cameras that do not send it themselves have no live picture.', install)
}
