import { inSubnet } from '@thatdam/discovery/interfaces'

/*
 * What a packet filter does with one packet, as far as its rules can be understood: every rule that may or may not apply is followed both ways.
 */

export type Applies = 'yes' | 'no' | 'maybe'
export type Verdict = 'accept' | 'drop' | 'return' | 'next' | 'unknown' | { readonly jump: string } | { readonly goto: string }
export interface Rule {
  readonly applies: Applies
  readonly verdict: Verdict
}
export interface Chain {
  /** What happens at the chain's end; null: back to where it was called. */
  readonly policy: 'accept' | 'drop' | null
  readonly rules: readonly Rule[]
}
export type Chains = ReadonlyMap<string, Chain>

/** A new connection or datagram from a machine of the LAN. */
export interface Packet {
  readonly protocol: 'tcp' | 'udp'
  readonly port: number
  /** Our interface that it comes in by, and our IPv4 address there; null: not known. */
  readonly lan: { readonly interfaceName: string; readonly address: string } | null
}
export type Passage = 'open' | 'closed' | 'unknown'

type Outcome = 'accept' | 'drop' | 'return'
const DEPTH_MAX = 32

export function passage(chains: Chains, start: string): Passage {
  const outcomes = outcomesOf(chains, start, 0)
  if (outcomes.has('return')) outcomes.add('accept')
  if (!outcomes.has('drop')) return 'open'
  return outcomes.has('accept') ? 'unknown' : 'closed'
}

function outcomesOf(chains: Chains, name: string, depth: number): Set<Outcome> {
  const chain = chains.get(name)
  if (!chain || depth > DEPTH_MAX) return new Set(['accept', 'drop'])
  const end: Outcome = chain.policy ?? 'return'
  const reached = new Set<Outcome>()
  for (const { applies, verdict } of chain.rules) {
    if (applies === 'no' || verdict === 'next') continue
    const taken = takenBy(chains, verdict, depth)
    const isJump = typeof verdict === 'object' && 'jump' in verdict
    for (const outcome of taken) if (outcome !== 'return') reached.add(outcome)
    if (taken.has('return') && !isJump) reached.add(end)
    // A jump that comes back goes on with the next rule; everything else ends here.
    if (applies === 'yes' && !(isJump && taken.has('return'))) return reached
  }
  return reached.add(end)
}

function takenBy(chains: Chains, verdict: Exclude<Verdict, 'next'>, depth: number): Set<Outcome> {
  if (typeof verdict === 'object') return outcomesOf(chains, 'jump' in verdict ? verdict.jump : verdict.goto, depth + 1)
  return new Set<Outcome>(verdict === 'unknown' ? ['accept', 'drop'] : [verdict])
}

/** Is `port` in `8080`, `7000:8000`, `7000-8000` or a list of those? */
export function portIn(list: string, port: number): boolean {
  return list.split(',').some((part) => {
    const [from, to = from] = part.split(/[:-]/).map(Number)
    return from !== undefined && to !== undefined && port >= from && port <= to
  })
}

/** Does a packet of the LAN come from `network` (`192.168.1.0/24`, an address, `Anywhere`)? Machines of our own subnet count as the LAN. */
export function fromLan(network: string, packet: Packet): Applies {
  if (/^(anywhere|any|\*|0\.0\.0\.0\/0)$/i.test(network)) return 'yes'
  const [address = '', bits] = network.split('/')
  if (packet.lan === null || address.includes(':')) return 'no'
  if (bits === undefined) return 'maybe' // one machine of the LAN, or none
  return inSubnet(packet.lan.address, address, Number(bits)) ? 'yes' : 'no'
}

export const all = (parts: readonly Applies[]): Applies => (parts.includes('no') ? 'no' : parts.includes('maybe') ? 'maybe' : 'yes')
export const not = (part: Applies): Applies => (part === 'yes' ? 'no' : part === 'no' ? 'yes' : 'maybe')
