import type { CheckContext } from './check.ts'
import type { Machine } from './machine.ts'
import { parseFirewalldZone, parseFirewalldZoneName } from './parse/firewalld.ts'
import { parseIptables } from './parse/iptables.ts'
import { parseNftables } from './parse/nftables.ts'
import { type Packet, passage, type Passage } from './parse/passage.ts'
import { parseRegQuery } from './parse/reg-query.ts'
import { parseSocketFilter } from './parse/socketfilterfw.ts'
import { parseUfw } from './parse/ufw.ts'
import { parseBlocksAll, parseNetworkCategories, profileState, windowsPassage } from './parse/windows-firewall.ts'

export type FirewallReading =
  | { readonly firewall: string; readonly state: 'off' }
  | { readonly firewall: string; readonly state: 'unreadable'; readonly why: string; readonly fix: string }
  | {
      readonly firewall: string
      readonly state: 'on'
      readonly doors: readonly { readonly packet: Packet; readonly passage: Passage }[]
      readonly openCommand: (closed: readonly Packet[]) => string
    }
/** Null: none is there. */
type Read = (context: CheckContext, doors: readonly Packet[]) => Promise<FirewallReading | null>

const ROOT_FIX = 'sudo thatdam doctor'

/** The first that is there and active speaks for all: ufw and firewalld write the kernel's rules themselves. Asked side by side, as each may hang. */
const readLinux: Read = async ({ machine }, doors) => {
  const readings = await Promise.all([readFirewalld, readUfw, readNftables, readIptables].map((read) => read(machine, doors)))
  return readings.find((reading) => reading !== null) ?? null
}

async function readFirewalld(machine: Machine, doors: readonly Packet[]): Promise<FirewallReading | null> {
  if ((await machine.run('firewall-cmd', ['--state'])).stdout.trim() !== 'running') return null
  const name = doors[0]?.lan?.interfaceName
  const ofInterface = name ? parseFirewalldZoneName((await machine.run('firewall-cmd', [`--get-zone-of-interface=${name}`])).stdout) : null
  const zone = ofInterface ?? parseFirewalldZoneName((await machine.run('firewall-cmd', ['--get-default-zone'])).stdout) ?? 'public'
  const listed = await machine.run('firewall-cmd', [`--zone=${zone}`, '--list-all'])
  if (listed.code !== 0)
    return { firewall: 'firewalld', state: 'unreadable', why: 'its rules may not be read by this user.', fix: ROOT_FIX }
  return {
    firewall: `firewalld (zone ${zone})`,
    state: 'on',
    doors: doors.map((packet) => ({ packet, passage: parseFirewalldZone(listed.stdout, packet) })),
    openCommand: (closed) => {
      const ports = closed.map(({ port, protocol }) => `--add-port=${port}/${protocol}`).join(' ')
      return `sudo firewall-cmd --permanent --zone=${zone} ${ports} && sudo firewall-cmd --reload`
    },
  }
}

async function readUfw(machine: Machine, doors: readonly Packet[]): Promise<FirewallReading | null> {
  if (!machine.has('ufw')) return null
  const status = await machine.run('ufw', ['status', 'verbose'])
  if (/^Status: inactive/m.test(status.stdout)) return null
  if (status.code !== 0 || !/^Status: active/m.test(status.stdout)) {
    // Everybody may read whether it is switched on, only root what it lets in.
    const enabled = /^ENABLED=yes/im.test((await machine.read('/etc/ufw/ufw.conf')) ?? '')
    return enabled ? { firewall: 'ufw', state: 'unreadable', why: 'only root may see what it lets in.', fix: ROOT_FIX } : null
  }
  return {
    firewall: 'ufw',
    state: 'on',
    doors: doors.map((packet) => ({ packet, passage: through(parseUfw(status.stdout, packet), 'in') })),
    openCommand: (closed) => closed.map(({ port, protocol }) => `sudo ufw allow ${port}/${protocol}`).join(' && '),
  }
}

async function readNftables(machine: Machine, doors: readonly Packet[]): Promise<FirewallReading | null> {
  const listed = await machine.run('nft', ['-j', 'list', 'ruleset'])
  if (listed.missing) return null
  if (listed.code !== 0) return await unreadableUnit('nftables', machine)
  const inputs = parseNftables(listed.stdout, { protocol: 'tcp', port: 1, lan: null })?.inputs ?? []
  if (inputs.length === 0) return null
  return {
    firewall: 'nftables',
    state: 'on',
    doors: doors.map((packet) => {
      const parsed = parseNftables(listed.stdout, packet)
      const all = (parsed?.inputs ?? []).map((name) => passage(parsed?.chains ?? new Map(), name))
      return { packet, passage: all.includes('closed') ? 'closed' : all.includes('unknown') ? 'unknown' : 'open' }
    }),
    openCommand: (closed) => {
      const [family = 'inet', table = 'filter', chain = 'input'] = (inputs[0] ?? '').split(' ')
      return `${closed.map(({ port, protocol }) => `sudo nft insert rule ${family} ${table} ${chain} ${protocol} dport ${port} accept`).join(' && ')} (and the same in /etc/nftables.conf)`
    },
  }
}

async function readIptables(machine: Machine, doors: readonly Packet[]): Promise<FirewallReading | null> {
  const saved = await machine.run('iptables-save', [])
  if (saved.missing) return null
  if (saved.code !== 0) return await unreadableUnit('netfilter-persistent', machine)
  if (!/^:INPUT /m.test(saved.stdout)) return null
  return {
    firewall: 'iptables',
    state: 'on',
    doors: doors.map((packet) => ({ packet, passage: through(parseIptables(saved.stdout, packet), 'INPUT') })),
    openCommand: (closed) =>
      `${closed.map(({ port, protocol }) => `sudo iptables -I INPUT -p ${protocol} --dport ${port} -j ACCEPT`).join(' && ')} (to keep them: sudo netfilter-persistent save)`,
  }
}

/** Without root the rules cannot be seen; whether something sets any at boot can. */
async function unreadableUnit(unit: string, machine: Machine): Promise<FirewallReading | null> {
  const { stdout } = await machine.run('systemctl', ['is-active', unit])
  return stdout.trim() === 'active'
    ? { firewall: unit, state: 'unreadable', why: 'only root may see what it lets in.', fix: ROOT_FIX }
    : null
}

const through = (chains: ReturnType<typeof parseUfw>, start: string): Passage => (chains ? passage(chains, start) : 'open')

const POLICY = String.raw`HKLM\SYSTEM\CurrentControlSet\Services\SharedAccess\Parameters\FirewallPolicy`

const readWindows: Read = async ({ machine }, doors) => {
  const [registry, current, categories] = await Promise.all([
    machine.run('reg', ['query', POLICY, '/s']),
    machine.run('netsh', ['advfirewall', 'show', 'currentprofile']),
    machine.run(
      'powershell',
      ['-NoProfile', '-Command', 'Get-NetConnectionProfile | Select-Object NetworkCategory | ConvertTo-Json'],
      5_000,
    ),
  ])
  const values = parseRegQuery(registry.stdout)
  if (values.length === 0)
    return {
      firewall: 'Windows Defender Firewall',
      state: 'unreadable',
      why: 'its rules could not be read.',
      fix: 'thatdam doctor in a prompt as administrator',
    }
  // Without a word about the network it is taken as public, the strictest.
  const profile = parseNetworkCategories(categories.stdout)[0] ?? 'Public'
  const firewall = `Windows Defender Firewall (${profile.toLowerCase()} network)`
  const { on, blocksIn } = profileState(values, profile)
  if (!on || !blocksIn) return { firewall, state: 'off' }
  const blocksAll = parseBlocksAll(current.stdout)
  const rules = { values, profile, program: process.execPath }
  return {
    firewall,
    state: 'on',
    doors: doors.map((packet) => ({ packet, passage: blocksAll ? 'closed' : windowsPassage(rules, packet) })),
    openCommand: (closed) => {
      const rule = (protocol: string) => {
        const ports = closed.filter((packet) => packet.protocol === protocol).map(({ port }) => port)
        return ports.length === 0
          ? []
          : [
              `netsh advfirewall firewall add rule name="ThatDAM ${protocol.toUpperCase()}" dir=in action=allow protocol=${protocol.toUpperCase()} localport=${ports.join(',')}`,
            ]
      }
      const lift = blocksAll ? ['netsh advfirewall set currentprofile firewallpolicy blockinbound,allowoutbound'] : []
      return `${[...lift, ...rule('tcp'), ...rule('udp')].join(' & ')} (as administrator)`
    },
  }
}

const SOCKET_FILTER = '/usr/libexec/ApplicationFirewall/socketfilterfw'

const readDarwin: Read = async ({ machine }, doors) => {
  const [state, blockAll, apps] = await Promise.all(
    ['--getglobalstate', '--getblockall', '--listapps'].map(async (flag) => (await machine.run(SOCKET_FILTER, [flag])).stdout),
  )
  const program = process.execPath
  const read = parseSocketFilter({ state: state ?? '', blockAll: blockAll ?? '', apps: apps ?? '' }, program)
  if (!read.on) return { firewall: 'macOS firewall', state: 'off' }
  const passes: Passage = read.blocksAll || read.program === 'block' ? 'closed' : read.program === 'allow' ? 'open' : 'unknown'
  const lift = read.blocksAll ? `sudo ${SOCKET_FILTER} --setblockall off && ` : ''
  return {
    firewall: 'macOS firewall',
    state: 'on',
    doors: doors.map((packet) => ({ packet, passage: passes })),
    openCommand: () => `${lift}sudo ${SOCKET_FILTER} --add '${program}' && sudo ${SOCKET_FILTER} --unblockapp '${program}'`,
  }
}

export const FIREWALLS: Readonly<Partial<Record<NodeJS.Platform, Read>>> = { linux: readLinux, win32: readWindows, darwin: readDarwin }
