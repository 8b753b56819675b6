import * as z from 'zod/mini'
import { interfaceFits } from './iptables.ts'
import { all, type Applies, type Chain, type Chains, fromLan, not, type Packet, type Rule, type Verdict } from './passage.ts'

const Statement = z.record(z.string(), z.unknown())
const Entry = z.object({
  chain: z.optional(
    z.object({
      family: z.string(),
      table: z.string(),
      name: z.string(),
      hook: z.optional(z.string()),
      policy: z.optional(z.string()),
    }),
  ),
  rule: z.optional(z.object({ family: z.string(), table: z.string(), chain: z.string(), expr: z.array(Statement) })),
})
const Ruleset = z.object({ nftables: z.array(Entry).check(z.maxLength(100_000)) })

/** `nft -j list ruleset`, for one packet: all chains, and those that a packet for this machine enters by (each must let it through). Null: not readable. */
export function parseNftables(text: string, packet: Packet): { chains: Chains; inputs: string[] } | null {
  let ruleset: z.infer<typeof Ruleset>
  try {
    ruleset = Ruleset.parse(JSON.parse(text))
  } catch {
    return null
  }
  const chains = new Map<string, { policy: Chain['policy']; rules: Rule[] }>()
  const inputs: string[] = []
  for (const { chain } of ruleset.nftables) {
    if (!chain || !['inet', 'ip'].includes(chain.family)) continue
    const id = `${chain.family} ${chain.table} ${chain.name}`
    const isBase = chain.hook !== undefined
    chains.set(id, { policy: isBase ? (chain.policy === 'drop' ? 'drop' : 'accept') : null, rules: [] })
    if (chain.hook === 'input') inputs.push(id)
  }
  for (const { rule } of ruleset.nftables)
    if (rule)
      chains.get(`${rule.family} ${rule.table} ${rule.chain}`)?.rules.push(parseRule(rule.expr, `${rule.family} ${rule.table}`, packet))
  return { chains, inputs }
}

function parseRule(statements: readonly z.infer<typeof Statement>[], table: string, packet: Packet): Rule {
  const parts: Applies[] = []
  for (const statement of statements) {
    const [kind = '', value] = Object.entries(statement)[0] ?? []
    if (kind === 'match') parts.push(matchOf(value, packet))
    else if (kind === 'limit') parts.push('maybe')
    else {
      const verdict = verdictOf(kind, value, table)
      if (verdict !== 'next') return { applies: all(parts), verdict }
    }
  }
  return { applies: all(parts), verdict: 'next' }
}

const Target = z.object({ target: z.string() })

function verdictOf(kind: string, value: unknown, table: string): Verdict {
  if (kind === 'accept' || kind === 'drop' || kind === 'return') return kind
  if (kind === 'reject') return 'drop'
  const target = Target.safeParse(value).data?.target
  if (kind === 'jump' && target) return { jump: `${table} ${target}` }
  if (kind === 'goto' && target) return { goto: `${table} ${target}` }
  // A verdict that is looked up in a map may be any; counters and logs are none.
  return kind === 'vmap' ? 'unknown' : 'next'
}

const Match = z.object({ op: z.string(), left: Statement, right: z.unknown() })
const Payload = z.object({ payload: z.object({ protocol: z.string(), field: z.string() }) })
const Key = z.object({ key: z.string() })

function matchOf(value: unknown, packet: Packet): Applies {
  const match = Match.safeParse(value).data
  if (!match) return 'maybe'
  const applies = holds(match.left, match.right, packet)
  return match.op === '!=' ? not(applies) : ['==', 'in'].includes(match.op) ? applies : 'maybe'
}

function holds(left: Readonly<Record<string, unknown>>, right: unknown, packet: Packet): Applies {
  const payload = Payload.safeParse(left).data?.payload
  if (payload) {
    const { protocol, field } = payload
    if (field === 'dport')
      return protocol === 'th' || protocol === packet.protocol ? among(right, (one) => isNumber(one, packet.port)) : 'no'
    if (protocol === 'ip' && field === 'protocol') return among(right, (one) => is(one, packet.protocol))
    if (protocol === 'ip' && field === 'saddr') return among(right, (one) => comesFrom(one, packet))
    return protocol === 'ip6' ? 'no' : 'maybe'
  }
  const meta = Key.safeParse(left['meta']).data?.key
  if (meta === 'l4proto') return among(right, (one) => is(one, packet.protocol))
  if (meta === 'nfproto') return among(right, (one) => is(one, 'ipv4'))
  if (meta === 'iifname' || meta === 'iif') return among(right, (one) => (typeof one === 'string' ? interfaceFits(one, packet) : 'maybe'))
  if (Key.safeParse(left['ct']).data?.key === 'state') return among(right, (one) => is(one, 'new'))
  return 'maybe'
}

const is = (one: unknown, wanted: string): Applies =>
  one === wanted ? 'yes' : typeof one === 'string' && !one.startsWith('@') ? 'no' : 'maybe'

const Range = z.object({ range: z.tuple([z.number(), z.number()]) })
function isNumber(one: unknown, wanted: number): Applies {
  if (typeof one === 'number') return one === wanted ? 'yes' : 'no'
  const range = Range.safeParse(one).data?.range
  return range ? (wanted >= range[0] && wanted <= range[1] ? 'yes' : 'no') : 'maybe'
}

const Prefix = z.object({ prefix: z.object({ addr: z.string(), len: z.number() }) })
function comesFrom(one: unknown, packet: Packet): Applies {
  if (typeof one === 'string') return one.startsWith('@') ? 'maybe' : fromLan(one, packet)
  const prefix = Prefix.safeParse(one).data?.prefix
  return prefix ? fromLan(`${prefix.addr}/${prefix.len}`, packet) : 'maybe'
}

const Members = z.object({ set: z.array(z.unknown()) })

/** Is one of them so? The right side is one value, a list, or `{set: […]}`. */
function among(right: unknown, test: (one: unknown) => Applies): Applies {
  const members = Array.isArray(right) ? right : (Members.safeParse(right).data?.set ?? [right])
  const answers = members.map(test)
  return answers.includes('yes') ? 'yes' : answers.includes('maybe') ? 'maybe' : 'no'
}
