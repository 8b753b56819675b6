import { all, type Applies, type Chain, type Chains, fromLan, not, type Packet, portIn, type Rule, type Verdict } from './passage.ts'

/** The filter table of `iptables-save`, for one packet. Null: there is none. The chain to begin with is INPUT. */
export function parseIptables(text: string, packet: Packet): Chains | null {
  const filter = /^\*filter$([\s\S]*?)^COMMIT$/m.exec(text)?.[1]
  if (filter === undefined) return null
  const chains = new Map<string, { policy: Chain['policy']; rules: Rule[] }>()
  for (const line of filter.split(/\r?\n/)) {
    const [, name, policy] = /^:(\S+) (\S+)/.exec(line) ?? []
    if (name) chains.set(name, { policy: policy === 'ACCEPT' ? 'accept' : policy === 'DROP' ? 'drop' : null, rules: [] })
    const [, chain, rest] = /^-A (\S+) (.*)$/.exec(line) ?? []
    if (chain && rest) chains.get(chain)?.rules.push(parseRule(rest, packet))
  }
  return chains.has('INPUT') ? chains : null
}

function parseRule(text: string, packet: Packet): Rule {
  const words = [...text.matchAll(/"((?:[^"\\]|\\.)*)"|(\S+)/g)].map((match) => match[1] ?? match[2] ?? '')
  const parts: Applies[] = []
  let verdict: Verdict = 'next'
  let negated = false
  for (let at = 0; at < words.length; at += 1) {
    const word = words[at] ?? ''
    if (word === '!') {
      negated = true
      continue
    }
    if (word === '-j' || word === '-g') {
      verdict = targetOf(words[at + 1] ?? '', word === '-g')
      break // what follows belongs to the target
    }
    const applies = optionOf(word, words[at + 1] ?? '', packet)
    parts.push(negated ? not(applies) : applies)
    negated = false
    if (!words[at + 1]?.startsWith('-')) at += 1
  }
  return { applies: all(parts), verdict }
}

function targetOf(name: string, isGoto: boolean): Verdict {
  if (name === 'ACCEPT') return 'accept'
  if (name === 'DROP' || name === 'REJECT') return 'drop'
  if (name === 'RETURN') return 'return'
  if (/^(LOG|NFLOG|MARK|CONNMARK|CT|TCPMSS|AUDIT)$/.test(name)) return 'next'
  return isGoto ? { goto: name } : { jump: name }
}

function optionOf(option: string, value: string, packet: Packet): Applies {
  switch (option) {
    case '-p':
      return value === 'all' || value === packet.protocol ? 'yes' : 'no'
    case '-m':
      // Modules whose own option is read below, or that say nothing about the packet.
      return /^(tcp|udp|multiport|conntrack|state|comment|addrtype)$/.test(value) ? 'yes' : 'maybe'
    case '--comment':
      return 'yes'
    case '--dport':
    case '--dports':
      return portIn(value, packet.port) ? 'yes' : 'no'
    case '--ctstate':
    case '--state':
      return value.split(',').includes('NEW') ? 'yes' : 'no'
    case '-i':
      return interfaceFits(value, packet)
    case '-s':
      return fromLan(value, packet)
    case '--dst-type':
      return value === 'LOCAL' ? 'yes' : 'no'
    default:
      return 'maybe'
  }
}

/** `eth0`, or `eth+` for all that begin so. */
export function interfaceFits(pattern: string, packet: Packet): Applies {
  if (pattern === 'lo') return 'no'
  if (packet.lan === null) return 'maybe'
  const { interfaceName } = packet.lan
  return (/[+*]$/.test(pattern) ? interfaceName.startsWith(pattern.slice(0, -1)) : interfaceName === pattern) ? 'yes' : 'no'
}
