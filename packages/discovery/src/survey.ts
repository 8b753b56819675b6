import makeMdns, { type ResponsePacket } from 'multicast-dns'
import { parseAnnouncement } from './announcement.ts'
import { callingAddresses, interfaceFor, readInterfaces } from './interfaces.ts'
import { heardIn } from './mdns/records.ts'

/** What one look around by mDNS showed. */
export interface Survey {
  readonly interfaces: readonly {
    readonly interfaceName: string
    readonly address: string
    /** Addresses of other machines that answered anything at all, at most 64. */
    readonly others: readonly string[]
    /** Why it could not be asked; null: it was. */
    readonly problem: string | null
  }[]
  /** Other machines' addresses that answer to this machine's own `<host>.local`. */
  readonly sameName: readonly string[]
  /** Announced nodes of any ring, by the address that the answer came from; unjudged hints. */
  readonly nodes: readonly { readonly nodeId: string; readonly address: string; readonly consolePort: number | null }[]
}

const OTHERS_MAX = 64
const INTERFACES_MAX = 16

/** Asks on every LAN interface who is there, for `waitMs`; for people who look for a fault. Changes and announces nothing. */
export async function survey(options: { readonly hostName: string; readonly service: string; readonly waitMs: number }): Promise<Survey> {
  const locals = readInterfaces()
  const own = new Set(locals.map((local) => local.address))
  const calling = callingAddresses(locals).filter((local) => local.family === 'ipv4')
  const asked = [...new Map(calling.map((local) => [local.interfaceName, local])).values()].slice(0, INTERFACES_MAX)
  const host = `${options.hostName.toLowerCase().replace(/\.local$/, '')}.local`
  const sameName = new Set<string>()
  const nodes = new Map<string, Survey['nodes'][number]>()
  const interfaces = await Promise.all(
    asked.map(async ({ interfaceName, address }) => {
      const others = new Set<string>()
      const problem = await askOn(address, { host, service: options.service, waitMs: options.waitMs }, (packet, from) => {
        // Every socket of the port hears every interface's multicast.
        if (own.has(from) || interfaceFor(from, locals) !== interfaceName) return
        if (others.size < OTHERS_MAX) others.add(from)
        const answers = [...(packet.answers ?? []), ...(packet.additionals ?? [])]
        for (const answer of answers)
          if (answer.type === 'A' && answer.name.toLowerCase() === host && !own.has(answer.data)) sameName.add(answer.data)
        for (const { bytes } of heardIn(answers, options.service)) {
          const body = parseAnnouncement(bytes)?.body
          if (body && nodes.size < OTHERS_MAX) nodes.set(body.nodeId, { nodeId: body.nodeId, address: from, consolePort: body.consolePort })
        }
      })
      return { interfaceName, address, others: [...others], problem }
    }),
  )
  return { interfaces, sameName: [...sameName].slice(0, OTHERS_MAX), nodes: [...nodes.values()] }
}

/** @returns why it could not be asked, or null. */
function askOn(
  address: string,
  { host, service, waitMs }: { host: string; service: string; waitMs: number },
  heard: (packet: ResponsePacket, from: string) => void,
): Promise<string | null> {
  return new Promise((resolve) => {
    const mdns = makeMdns({ interface: address, bind: '0.0.0.0', reuseAddr: true })
    let problem: string | null = 'no answer from the system'
    let again: NodeJS.Timeout | undefined
    const end = () => {
      clearTimeout(again)
      clearTimeout(last)
      mdns.destroy(() => resolve(problem))
    }
    const last = setTimeout(end, waitMs)
    const questions = [`${service}.local`, '_services._dns-sd._udp.local'].map((name) => ({ name, type: 'PTR' as const }))
    const ask = () => {
      mdns.query([...questions, { name: host, type: 'A' as const }], (error) => {
        problem = error === null ? null : ((error as NodeJS.ErrnoException).code ?? error.message)
      })
    }
    mdns.on('response', (packet, from) => heard(packet, from.address))
    mdns.on('error', (error: NodeJS.ErrnoException) => {
      problem = error.code ?? error.message
      end()
    })
    mdns.on('ready', () => {
      ask()
      again = setTimeout(ask, waitMs / 3)
    })
  })
}
