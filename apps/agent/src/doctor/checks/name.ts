import type { Check } from '../check.ts'
import { fail, ok, warn } from '../finding.ts'
import type { Machine } from '../machine.ts'

const NAME = 'Name'

/** The host name: there, usable on the LAN, and nobody else's. */
export const check: Check = {
  name: NAME,
  limitMs: 4_000,
  run: async ({ machine, agent, lookAround }) => {
    const name = machine.hostname.replace(/\.$/, '')
    const short = name.split('.')[0] ?? ''
    if (/^(localhost(\..*)?|\(none\)|)$/i.test(name))
      return [
        fail(
          NAME,
          `This machine’s host name is “${name}”: every machine is called so, and others cannot tell it apart.`,
          renameCommand(machine, 'studio-pi'),
        ),
      ]
    if (!/^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$/i.test(short))
      return [
        warn(
          NAME,
          `“${short}” has characters that names on a network may not have: http://${short}.local does not open everywhere.`,
          renameCommand(machine, usable(short)),
        ),
      ]
    const twins = (agent?.members ?? []).filter((member) => !member.self && member.name === agent?.settings.name)
    const { sameName } = await lookAround()
    const findings = [
      ...(sameName.length > 0
        ? [
            warn(
              NAME,
              `${sameName.join(', ')} answers to ${short}.local too: which of the two a browser opens is chance.`,
              renameCommand(machine, `${usable(short)}-2`),
            ),
          ]
        : []),
      ...twins.map((twin) =>
        warn(
          NAME,
          `${twin.nodeId} is called “${twin.name}” in the ring as well.`,
          'Rename one of the two in the console: Machines, then the machine’s name.',
        ),
      ),
    ]
    return findings.length > 0 ? findings : [ok(NAME, `${short}, and nobody else on the LAN answers to it.`)]
  },
}

const usable = (name: string) =>
  name
    .toLowerCase()
    .replaceAll(/[^a-z0-9]+/g, '-')
    .replaceAll(/^-+|-+$/g, '')
    .slice(0, 50) || 'studio-pi'

function renameCommand({ platform }: Machine, name: string): string {
  if (platform === 'win32') return `Rename-Computer -NewName ${name} -Restart (PowerShell as administrator)`
  if (platform === 'darwin') return `sudo scutil --set LocalHostName ${name} && sudo scutil --set HostName ${name}`
  return `sudo hostnamectl set-hostname ${name}, then restart the agent`
}
