import type { Finding } from '@thatdam/protocol/doctor'
import { listV4l2Nodes } from '../../facts/cameras/v4l2.ts'
import type { Check, CheckContext } from '../check.ts'
import { fail, ok, warn } from '../finding.ts'
import { cameraFinding } from '../v4l2-access.ts'
import { parseRegQuery } from '../parse/reg-query.ts'
import { parseTccCamera } from '../parse/tcc.ts'
import { readWebcamConsent, type WebcamConsent } from '../parse/webcam-consent.ts'

const NAME = 'Cameras'

/** Cameras that the agent may open, and who else has them. */
export const check: Check = {
  name: NAME,
  limitMs: 5_000,
  run: async (context) => {
    if (context.machine.platform === 'linux') return await checkLinux(context)
    return context.machine.platform === 'darwin' ? await checkDarwin(context) : await checkWindows(context)
  },
}

/** `root` is `/`, or a folder with sysfs and dev below it. */
export async function checkLinux(context: CheckContext, root = '/'): Promise<Finding[]> {
  const nodes = (await listV4l2Nodes(root)).filter((node) => node.index === 0).slice(0, 32)
  if (nodes.length === 0) return [ok(NAME, 'None is plugged in.')]
  return await Promise.all(nodes.map((node) => cameraFinding(node, { agentPid: context.agentPid, root })))
}

const STORE = String.raw`Software\Microsoft\Windows\CurrentVersion\CapabilityAccessManager\ConsentStore\webcam`
const REFUSALS: Readonly<Record<NonNullable<WebcamConsent['refusedBy']>, readonly [string, string]>> = {
  policy: ['Your organisation’s policy switches cameras off for programs.', 'Ask its administrator: AppPrivacy, LetAppsAccessCamera.'],
  machine: [
    'Cameras are switched off for everybody on this machine.',
    `reg add "HKLM\\${STORE}" /v Value /t REG_SZ /d Allow /f (as administrator), or start ms-settings:privacy-webcam`,
  ],
  user: [
    'Cameras are switched off for programs of this user.',
    `reg add "HKCU\\${STORE}" /v Value /t REG_SZ /d Allow /f, or start ms-settings:privacy-webcam`,
  ],
  'desktop-programs': [
    'Cameras are switched off for desktop programs, and the agent is one.',
    `reg add "HKCU\\${STORE}\\NonPackaged" /v Value /t REG_SZ /d Allow /f, or start ms-settings:privacy-webcam`,
  ],
}

async function checkWindows({ machine }: CheckContext): Promise<Finding[]> {
  const keys = [[`HKLM\\${STORE}`], [`HKCU\\${STORE}`, '/s'], [String.raw`HKLM\SOFTWARE\Policies\Microsoft\Windows\AppPrivacy`]]
  const answers = await Promise.all(keys.map((key) => machine.run('reg', ['query', ...key])))
  const { refusedBy, inUseBy } = readWebcamConsent(parseRegQuery(answers.map((answer) => answer.stdout).join('\n')))
  if (refusedBy !== null) return [fail(NAME, ...REFUSALS[refusedBy])]
  const others = inUseBy.filter((program) => !/^(node|thatdam|ffmpeg)\.exe$/i.test(program))
  if (others.length > 0)
    return [
      warn(
        NAME,
        `${others.join(', ')} uses a camera now, and Windows lets one program have it.`,
        'Close it there; the agent then takes the camera by itself.',
      ),
    ]
  return [ok(NAME, 'Programs may use the cameras.')]
}

const PRIVACY = 'open "x-apple.systempreferences:com.apple.preference.security?Privacy_Camera"'

async function checkDarwin({ machine, agent }: CheckContext): Promise<Finding[]> {
  const database = `${machine.home}/Library/Application Support/com.apple.TCC/TCC.db`
  const query = "select client, auth_value from access where service = 'kTCCServiceCamera'"
  const { stdout, code } = await machine.run('/usr/bin/sqlite3', ['-readonly', database, query])
  if (code === 0) {
    // Launched by launchd the program asks for itself, from a terminal the terminal does.
    const ours = parseTccCamera(stdout).filter(({ client }) => client === process.execPath || /\/ffmpeg$|thatdam/i.test(client))
    if (ours.some(({ allowed }) => !allowed)) {
      const refused = ours.filter(({ allowed }) => !allowed).map(({ client }) => client)
      return [fail(NAME, `macOS refuses the camera to ${refused.join(', ')}.`, `${PRIVACY}, switch it on there, then restart the agent`)]
    }
    if (ours.length > 0) return [ok(NAME, 'macOS allows the agent the camera.')]
  }
  if ((agent?.facts.cameras.length ?? 0) === 0 && agent !== null) return [ok(NAME, 'None is used on this machine.')]
  return [
    warn(
      NAME,
      'Whether macOS allows the agent the camera cannot be seen from here; without it the picture stays black.',
      `${PRIVACY}: ${process.execPath} must be on. To be asked again: tccutil reset Camera`,
    ),
  ]
}
