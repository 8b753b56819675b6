import { readInterfaces } from '@thatdam/discovery/interfaces'
import type { Survey } from '@thatdam/discovery/survey'
import { IPV6_GROUP } from '@thatdam/discovery/udp-port'
import type { Finding } from '@thatdam/protocol/doctor'
import type { Check, CheckContext } from '../check.ts'
import { fail, ok, warn } from '../finding.ts'
import { hearOneself } from '../hear-oneself.ts'
import { lanInterfaces } from '../lan.ts'
import type { Machine } from '../machine.ts'

const NAME = 'Multicast'
const MDNS_GROUP = '224.0.0.251'
const IFF_MULTICAST = 0x1000
const SEED = 'Name one machine of the ring instead: GOSSIP_JOIN=ADDRESS:7700 in this agent’s environment.'

/** Whether machines can find one another by calling out: on each interface of the LAN, out, back in, and whether anybody answers. */
export const check: Check = {
  name: NAME,
  limitMs: 5_000,
  run: async (context) => {
    const interfaces = lanInterfaces()
    if (interfaces.length === 0)
      return [warn(NAME, 'This machine has no address in a LAN: it finds no other machine.', 'Plug in a network cable, or join the Wi-Fi.')]
    const around = context.lookAround()
    return (await Promise.all(interfaces.map((one) => examine(one, { around, context })))).flat()
  },
}

type Interface = ReturnType<typeof lanInterfaces>[number]

async function examine(
  { interfaceName, address }: Interface,
  { around, context }: { around: Promise<Survey>; context: CheckContext },
): Promise<Finding[]> {
  const { machine, agent } = context
  const flags = Number((await machine.read(`/sys/class/net/${interfaceName}/flags`)) ?? IFF_MULTICAST)
  if ((flags & IFF_MULTICAST) === 0)
    return [fail(NAME, `${interfaceName} is set to carry no multicast.`, `sudo ip link set ${interfaceName} multicast on`)]
  const ipv6 = readInterfaces().find((local) => local.interfaceName === interfaceName && local.family === 'ipv6')
  const zone = process.platform === 'win32' ? String(ipv6?.zone ?? '') : interfaceName
  const [four, six] = await Promise.all([
    hearOneself({ group: MDNS_GROUP, family: 'udp4', at: address }),
    ipv6 ? hearOneself({ group: IPV6_GROUP, family: 'udp6', at: `::%${zone}` }) : null,
  ])
  const closed = four ?? six
  if (closed !== null) {
    const what = four === null ? 'IPv6 multicast' : 'multicast'
    const how = closed === 'not heard' ? 'goes out and is not heard again: a packet filter here drops it' : `cannot be sent (${closed})`
    return [(four === null ? warn : fail)(NAME, `On ${interfaceName} ${what} ${how}.`, fixOf(closed, interfaceName, machine))]
  }
  const survey = await around
  const there = survey.interfaces.find((one) => one.interfaceName === interfaceName)
  if (there?.problem)
    return [
      warn(
        NAME,
        `On ${interfaceName} mDNS cannot be asked (${there.problem}): a program holds port 5353 without sharing it. The other ways of finding machines go on.`,
        machine.platform === 'win32' ? 'Get-NetUDPEndpoint -LocalPort 5353 | Select OwningProcess' : 'sudo lsof -nP -iUDP:5353',
      ),
    ]
  const others = there?.others.length ?? 0
  const missing = unheard(agent, survey)
  if (missing.length > 0 && others === 0)
    return [
      warn(
        NAME,
        `On ${interfaceName} multicast goes out, but ${missing.join(', ')} and everybody else stay silent: the switch or Wi-Fi does not pass it on (guest networks and client isolation do that).`,
        SEED,
      ),
    ]
  const answered =
    others === 0 ? 'nobody else answered (there may be nobody)' : `${others} other ${others === 1 ? 'machine' : 'machines'} answered`
  return [ok(NAME, `On ${interfaceName} it goes out and comes back; ${answered}.`)]
}

/** Members that answer the ring now, so they run and are near, but that mDNS does not show. */
function unheard(agent: CheckContext['agent'], survey: Survey): string[] {
  const heard = new Set(survey.nodes.map((node) => node.nodeId))
  return (agent?.members ?? []).filter((member) => !member.self && member.awake && !heard.has(member.nodeId)).map((member) => member.name)
}

function fixOf(reason: string, interfaceName: string, machine: Machine): string {
  if (reason === 'ENETUNREACH' && machine.platform === 'linux') return `sudo ip route add 224.0.0.0/4 dev ${interfaceName}`
  if (machine.platform === 'win32')
    return 'netsh advfirewall firewall add rule name="ThatDAM finds machines" dir=in action=allow protocol=UDP localport=5353,7700'
  if (machine.platform === 'darwin')
    return 'System Settings, Privacy & Security, Local Network: allow it for the program that runs the agent.'
  return machine.has('ufw')
    ? 'sudo ufw allow 5353/udp && sudo ufw allow 7700/udp'
    : 'sudo iptables -I INPUT -p udp -m multiport --dports 5353,7700 -j ACCEPT'
}
