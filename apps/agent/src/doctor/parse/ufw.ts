import { all, type Applies, type Chains, fromLan, type Packet, portIn, type Rule } from './passage.ts'

/** `ufw status verbose`. Null: not active. The first rule that fits wins. */
export function parseUfw(text: string, packet: Packet): Chains | null {
  if (!/^Status: active/m.test(text)) return null
  const policy = /^Default: (allow|deny|reject) \(incoming\)/m.exec(text)?.[1] === 'allow' ? 'accept' : 'drop'
  const rules = text.split(/\r?\n/).flatMap((line): Rule[] => {
    const [, to = '', action = '', from = ''] = /^(\S.*?)\s{2,}(ALLOW|DENY|REJECT|LIMIT)(?: IN)?\s{2,}(\S.*?)\s*$/.exec(line) ?? []
    if (action === '' || to.includes('(v6)')) return []
    const sender = from.replace(/\s+\(log[^)]*\)|\s*#.*$/g, '')
    return [{ applies: all([destination(to, packet), fromLan(sender, packet)]), verdict: /ALLOW|LIMIT/.test(action) ? 'accept' : 'drop' }]
  })
  return new Map([['in', { policy, rules }]])
}

/** `8080/tcp`, `7000:8000/udp`, `80,443/tcp (App)`, `22`, `Anywhere on eth0`, `10.0.0.1 8080/tcp`. */
function destination(to: string, packet: Packet): Applies {
  const on = / on (\S+)/.exec(to)?.[1]
  if (on !== undefined && packet.lan !== null && on !== packet.lan.interfaceName) return 'no'
  const bare = to.replace(/ on \S+| \(.*\)/g, '').trim()
  if (/^anywhere$/i.test(bare)) return 'yes'
  const [ports = '', address] = bare.split(/\s+/).toReversed()
  const [list = '', protocol] = ports.split('/')
  // An application profile by its name, or an address of ours with every port.
  if (!/^[\d:,]+$/.test(list)) return 'maybe'
  if (protocol !== undefined && protocol !== packet.protocol) return 'no'
  if (!portIn(list, packet.port)) return 'no'
  return address === undefined || address === packet.lan?.address ? 'yes' : 'maybe'
}
