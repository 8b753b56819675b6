import fs from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { listV4l2Nodes } from '../facts/cameras/v4l2.ts'
import { probeFfmpeg } from '../facts/encoders.ts'
import { findFfmpeg, findFfprobe } from '../facts/gather.ts'
import { findTool, runTool } from '../facts/tool.ts'
import { fail, type Finding, ok, reasonOf, warn } from './finding.ts'

/** How this system gets a package; names that differ are given. */
function installCommand(apt: string, brew = apt): string {
  if (process.platform === 'darwin') return `brew install ${brew}`
  if (process.platform === 'win32') return 'winget install --id Gyan.FFmpeg -e'
  if (findTool(['apt-get'])) return `sudo apt-get install -y ${apt}`
  return findTool(['dnf']) ? `sudo dnf install -y ${apt === 'ffmpeg' ? 'ffmpeg-free' : apt}` : `Install ${apt} with your package manager.`
}

export async function checkFfmpeg(given: string | null): Promise<Finding[]> {
  const ffmpeg = findFfmpeg(given)
  if (!ffmpeg) return [fail('ffmpeg', 'Not found: cameras, recordings and video previews wait for it.', installCommand('ffmpeg'))]
  const facts = await probeFfmpeg(ffmpeg, null)
  if (!facts.ffmpegVersion) return [fail('ffmpeg', `${ffmpeg} does not run.`, `Try it by hand: ${ffmpeg} -version`)]
  const h264 = facts.encoders.filter((name) => name === 'libx264' || name === 'libopenh264' || name.startsWith('h264_'))
  const probe = findFfprobe(ffmpeg)
  return [
    ok('ffmpeg', `${facts.ffmpegVersion} (${ffmpeg}).`),
    ...(probe ? [] : [fail('ffprobe', 'Not found beside ffmpeg or on the PATH: videos cannot be indexed.', installCommand('ffmpeg'))]),
    h264.length > 0
      ? ok('Encoders', `H.264 by ${h264.join(', ')}.`)
      : fail(
          'Encoders',
          'This ffmpeg cannot make H.264: cameras that do not send it themselves have no live picture.',
          installCommand('ffmpeg'),
        ),
  ]
}

/** Cameras that this user may open. `root` is `/`, or a folder with sysfs and dev below it. */
export async function checkCameras(root = '/'): Promise<Finding[]> {
  if (process.platform !== 'linux') return []
  const nodes = (await listV4l2Nodes(root)).filter((node) => node.index === 0)
  if (nodes.length === 0) return [ok('Cameras', 'None is plugged in.')]
  return await Promise.all(
    nodes.map(async (node): Promise<Finding> => {
      try {
        await fs.promises.access(path.join(root, node.node), fs.constants.R_OK | fs.constants.W_OK)
        return ok('Camera', `${node.name} (${node.node}) can be opened.`)
      } catch (error) {
        if (reasonOf(error) === 'ENOENT')
          return warn(
            'Camera',
            `${node.name} is there, but ${node.node} is not (a container?).`,
            `Give the container that device: --device ${node.node}`,
          )
        return fail(
          'Camera',
          `${node.name} (${node.node}) may not be opened by ${os.userInfo().username}.`,
          `sudo usermod -aG video ${os.userInfo().username}, then sign in again and restart the agent`,
        )
      }
    }),
  )
}

/** ExifTool is a Perl program; Windows gets its own. */
export async function checkPerl(): Promise<Finding[]> {
  if (process.platform === 'win32') return []
  const perl = findTool(['perl'])
  if (!perl) return [fail('Perl', 'Not found: dates, cameras and places inside photos cannot be read.', installCommand('perl'))]
  const version = /v(\d+\.\d+)/.exec((await runTool(perl, ['-e', 'printf "v%vd", $^V'])).stdout)?.[1]
  return [version ? ok('Perl', `${version}, for ExifTool.`) : fail('Perl', `${perl} does not run.`, `Try it by hand: ${perl} -v`)]
}
