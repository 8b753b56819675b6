import type { Finding } from '@thatdam/protocol/doctor'
import type { Check, CheckContext } from '../check.ts'
import { ok, warn } from '../finding.ts'
import { parseTasklist } from '../parse/listeners.ts'
import { parseLaunchctlState, parseLinger, parseScheduledTask, parseSystemdUnit, type WindowsTask } from '../parse/units.ts'

const NAME = 'Start'
const AGAIN = 'Run the install command of “Add machine” again'

/** Whether the agent comes back by itself after a power cut, before anybody signs in, and whether cameras work in that way of starting. */
export const check: Check = {
  name: NAME,
  limitMs: 5_500,
  run: async (context) => {
    if (context.machine.platform === 'linux') return [await checkSystemd(context)]
    return context.machine.platform === 'darwin' ? await checkLaunchd(context) : await checkTask(context)
  },
}

const PROPERTIES = ['-p', 'LoadState', '-p', 'ActiveState', '-p', 'UnitFileState']

async function checkSystemd({ machine, agentPid }: CheckContext): Promise<Finding> {
  // A second installation on one machine has a unit of its own: the running agent's group tells it.
  const group = agentPid === null ? null : await machine.read(`/proc/${agentPid}/cgroup`)
  const unit = /\/(thatdam[\w-]*)\.service/.exec(group ?? '')?.[1] ?? 'thatdam'
  const [system, user, linger] = await Promise.all([
    machine.run('systemctl', ['show', ...PROPERTIES, unit]),
    machine.run('systemctl', ['--user', 'show', ...PROPERTIES, unit]),
    machine.run('loginctl', ['show-user', machine.user, '-p', 'Linger']),
  ])
  const whole = parseSystemdUnit(system.stdout)
  if (whole) {
    if (whole.enabled) return ok(NAME, 'By systemd with the machine, before anybody signs in.')
    return warn(NAME, 'Its systemd unit is not enabled: after a restart nothing runs.', `sudo systemctl enable --now ${unit}`)
  }
  const personal = parseSystemdUnit(user.stdout)
  if (personal) {
    if (!personal.enabled)
      return warn(NAME, 'Its systemd unit is not enabled: after a restart nothing runs.', `systemctl --user enable --now ${unit}`)
    if (parseLinger(linger.stdout) !== true)
      return warn(
        NAME,
        `It starts when ${machine.user} signs in and stops when they sign out: after a power cut nothing runs until then.`,
        `sudo loginctl enable-linger ${machine.user}`,
      )
    return ok(NAME, `By systemd for ${machine.user}, also when nobody is signed in.`)
  }
  const has = !system.missing && system.code === 0
  return warn(
    NAME,
    has
      ? 'No systemd unit of ThatDAM is installed: after a restart nothing runs.'
      : 'This system has no systemd: nothing starts the agent after a restart.',
    has ? `${AGAIN}, with sudo to start before sign-in.` : '@reboot thatdam run  (as a line of: crontab -e)',
  )
}

const LABEL = 'app.thatdam.thatdam'

async function checkLaunchd({ machine, agent }: CheckContext): Promise<Finding[]> {
  const [daemon, personal, vault] = await Promise.all([
    machine.run('launchctl', ['print', `system/${LABEL}`]),
    machine.run('launchctl', ['print', `gui/${process.getuid?.() ?? 501}/${LABEL}`]),
    machine.run('/usr/bin/fdesetup', ['status']),
  ])
  const encrypted = /FileVault is On/i.test(vault.stdout)
    ? ' The disk is encrypted (FileVault): after a power cut everything waits for the first sign-in anyway.'
    : ''
  if (parseLaunchctlState(daemon.stdout)) {
    if ((agent?.facts.cameras.length ?? 0) === 0) return [ok(NAME, `By launchd with the machine, before anybody signs in.${encrypted}`)]
    return [
      warn(
        NAME,
        'It starts with the machine, as a daemon: macOS gives those neither cameras nor the screen.',
        `sudo sh install.sh --uninstall, then ${AGAIN.toLowerCase()} without sudo: it then starts when you sign in (turn on automatic sign-in for after a power cut).`,
      ),
    ]
  }
  if (parseLaunchctlState(personal.stdout))
    return [
      warn(
        NAME,
        `It starts when you sign in, as cameras need it: after a power cut nothing runs until then.${encrypted}`,
        'System Settings, Users & Groups, Automatically log in as (not with FileVault); without cameras: install with sudo.',
      ),
    ]
  return [warn(NAME, 'No launchd job of ThatDAM is installed: after a restart nothing runs.', `${AGAIN}.`)]
}

async function checkTask({ machine, agent, agentPid }: CheckContext): Promise<Finding[]> {
  const [whole, personal, process] = await Promise.all([
    machine.run('schtasks', ['/query', '/tn', 'ThatDAM', '/xml']),
    machine.run('schtasks', ['/query', '/tn', `ThatDAM ${machine.user}`, '/xml']),
    agentPid === null ? null : machine.run('tasklist', ['/FI', `PID eq ${agentPid}`, '/FO', 'CSV', '/NH']),
  ])
  const task = parseScheduledTask(whole.stdout) ?? parseScheduledTask(personal.stdout)
  if (task === null) return [warn(NAME, 'No scheduled task of ThatDAM is installed: after a restart nothing runs.', `${AGAIN}.`)]
  const inSessionZero = (process && parseTasklist(process.stdout)?.session === 0) ?? task.asSystem
  return [
    judgeTask(task, {
      inSessionZero,
      cameras: agent?.facts.cameras.length ?? 0,
      name: whole.code === 0 ? 'ThatDAM' : `ThatDAM ${machine.user}`,
    }),
  ]
}

function judgeTask(
  task: WindowsTask,
  { inSessionZero, cameras, name }: { inSessionZero: boolean; cameras: number; name: string },
): Finding {
  if (!task.enabled)
    return warn(NAME, `Its scheduled task is switched off: after a restart nothing runs.`, `schtasks /change /tn "${name}" /enable`)
  if (inSessionZero && cameras > 0)
    return warn(
      NAME,
      'It runs in session 0, before anybody signs in: the screen cannot be captured there, and many cameras do not open.',
      `schtasks /delete /tn ThatDAM /f (as administrator), then ${AGAIN.toLowerCase()} in a PowerShell that is not run as administrator.`,
    )
  if (task.atBoot) return ok(NAME, 'With the machine, before anybody signs in.')
  return warn(
    NAME,
    'It starts when you sign in, as cameras and screen capture need it: after a power cut nothing runs until then.',
    'For automatic sign-in: netplwiz. Without cameras: run the install command in a PowerShell as administrator.',
  )
}
