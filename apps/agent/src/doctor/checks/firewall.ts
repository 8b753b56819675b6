import type { Finding } from '@thatdam/protocol/doctor'
import type { Check, CheckContext } from '../check.ts'
import { FIREWALLS, type FirewallReading } from '../firewalls.ts'
import { fail, ok, warn } from '../finding.ts'
import { lanInterfaces } from '../lan.ts'
import type { Packet, Passage } from '../parse/passage.ts'

const NAME = 'Firewall'

/** Whether this machine's own packet filter lets the others of the ring in. */
export const check: Check = {
  name: NAME,
  limitMs: 5_500,
  run: async (context) => {
    const read = FIREWALLS[context.machine.platform]
    const reading = read ? await read(context, doorsOf(context)) : null
    if (reading === null) return [ok(NAME, 'None is known on this machine.')]
    return judge(reading)
  },
}

/** 7700 for the ring, TCP and UDP; the console for people. */
function doorsOf({ nodePort, consolePort }: CheckContext): Packet[] {
  const lan = lanInterfaces()[0] ?? null
  return [
    { protocol: 'tcp', port: nodePort, lan },
    { protocol: 'udp', port: nodePort, lan },
    { protocol: 'tcp', port: consolePort, lan },
  ]
}

function judge(reading: FirewallReading): Finding[] {
  const { firewall } = reading
  if (reading.state === 'off') return [ok(NAME, `${firewall}: not active.`)]
  if (reading.state === 'unreadable') return [warn(NAME, `${firewall} is active; ${reading.why}`, reading.fix)]
  const [closed, unknown] = [doorsThat(reading, 'closed'), doorsThat(reading, 'unknown')]
  return [
    ...(closed.length > 0 ? [fail(NAME, `${firewall} keeps other machines out of ${list(closed)}.`, reading.openCommand(closed))] : []),
    ...(unknown.length > 0
      ? [
          warn(
            NAME,
            `${firewall} may keep other machines out of ${list(unknown)}: its rules depend on what cannot be seen from here.`,
            reading.openCommand(unknown),
          ),
        ]
      : []),
    ...(closed.length + unknown.length === 0 ? [ok(NAME, `${firewall} lets ${list(reading.doors.map(({ packet }) => packet))} in.`)] : []),
  ]
}

const doorsThat = (reading: FirewallReading & { state: 'on' }, wanted: Passage) =>
  reading.doors.filter((door) => door.passage === wanted).map(({ packet }) => packet)
const list = (packets: readonly Packet[]) => packets.map(({ port, protocol }) => `${port}/${protocol}`).join(', ')
