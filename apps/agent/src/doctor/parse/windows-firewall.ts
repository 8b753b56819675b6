import { all, type Applies, fromLan, type Packet, type Passage, portIn } from './passage.ts'
import type { RegistryValue } from './reg-query.ts'

/*
 * Windows keeps its firewall's rules in the registry, one value a rule: `v2.31|Action=Allow|Active=TRUE|Dir=In|Protocol=6|LPort=8080|App=…|`.
 * `netsh advfirewall firewall show rule` tells the same in the language of the system, so it is not read.
 */

export type Profile = 'Domain' | 'Private' | 'Public'

/** State of one profile. Without a value: on, and what comes in is blocked. */
export function profileState(values: readonly RegistryValue[], profile: Profile): { on: boolean; blocksIn: boolean } {
  // The private profile is called the standard one there.
  const folder = `\\${profile === 'Private' ? 'Standard' : profile}Profile`
  const number = (name: string) => Number(values.find((value) => value.key.endsWith(folder) && value.name === name)?.data ?? 1)
  return { on: number('EnableFirewall') !== 0, blocksIn: number('DefaultInboundAction') !== 0 }
}

export interface WindowsRules {
  readonly values: readonly RegistryValue[]
  readonly profile: Profile
  /** The program that listens, for rules that are for a program. */
  readonly program: string
}

/** What the rules say of one packet. A block wins over every allowance. */
export function windowsPassage({ values, profile, program }: WindowsRules, packet: Packet): Passage {
  const fitting = values
    .filter((value) => /\\FirewallRules$/i.test(value.key))
    .map((value) => parseRule(value.data))
    .filter((rule) => rule.get('Active') === 'TRUE' && rule.get('Dir') === 'In')
    .map((rule) => ({ blocks: rule.get('Action') === 'Block', applies: applies(rule, { profile, program, packet }) }))
  const is = (blocks: boolean, how: Applies) => fitting.some((rule) => rule.blocks === blocks && rule.applies === how)
  if (is(true, 'yes')) return 'closed'
  if (is(true, 'maybe')) return 'unknown'
  return is(false, 'yes') ? 'open' : is(false, 'maybe') ? 'unknown' : 'closed'
}

/** Fields that may stand several times are joined by commas. */
function parseRule(text: string): Map<string, string> {
  const fields = new Map<string, string>()
  for (const part of text.split('|')) {
    const at = part.indexOf('=')
    if (at <= 0) continue
    const [name, value] = [part.slice(0, at), part.slice(at + 1)]
    fields.set(name, fields.has(name) ? `${fields.get(name)},${value}` : value)
  }
  return fields
}

function applies(rule: Map<string, string>, at: { profile: Profile; program: string; packet: Packet }): Applies {
  const { profile, program, packet } = at
  const given = (name: string, test: (value: string) => Applies): Applies => {
    const value = rule.get(name)
    return value === undefined ? 'yes' : test(value)
  }
  // Ranges have a name of their own.
  const ports = [rule.get('LPort') ?? '', rule.get('LPort2_10') ?? ''].filter((list) => list !== '').join(',')
  return all([
    given('Profile', (value) => (value.split(',').includes(profile) ? 'yes' : 'no')),
    given('Protocol', (value) => (Number(value) === (packet.protocol === 'tcp' ? 6 : 17) ? 'yes' : 'no')),
    ports === '' || portIn(ports, packet.port) ? 'yes' : 'no',
    given('App', (value) => (sameProgram(value, program) ? 'yes' : 'no')),
    given('Svc', () => 'no'),
    given('AppPkgId', () => 'no'),
    given('RA4', (value) => (value.split(',').some((one) => one === 'LocalSubnet' || fromLan(one, packet) === 'yes') ? 'yes' : 'maybe')),
    given('IF', () => 'maybe'),
    given('LA4', () => 'maybe'),
  ])
}

const sameProgram = (a: string, b: string) => a.toLowerCase().replaceAll('/', '\\') === b.toLowerCase().replaceAll('/', '\\')

/** `netsh advfirewall show currentprofile`: the policy's words are the same in every language. `BlockInboundAlways` ignores every allowance. */
export function parseBlocksAll(text: string): boolean {
  return /\bBlockInboundAlways\b/.test(text)
}

/** `Get-NetConnectionProfile | Select NetworkCategory | ConvertTo-Json`: 0 public, 1 private, 2 domain; the strictest of several networks. */
export function parseNetworkCategories(text: string): Profile[] {
  const numbers = [...text.matchAll(/"NetworkCategory":\s*(\d)/g)].map((match) => Number(match[1]))
  const names: readonly Profile[] = ['Public', 'Private', 'Domain']
  return [...new Set(numbers)].toSorted((a, b) => a - b).flatMap((number) => names[number] ?? [])
}
