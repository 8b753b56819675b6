import { ThatdamError } from '@thatdam/protocol/errors'
import makeMdns, { type MulticastDNS, type QueryPacket, type ResponsePacket } from 'multicast-dns'
import type { RemoteInfo } from 'node:dgram'
import { type LocalAddress, callingAddresses, inSubnet } from '../interfaces.ts'
import { type DiscoveryMethod, FoundListeners, type MethodContext, type Said } from '../method.ts'
import { Bucket } from '../rates.ts'
import { repeat } from '../timing.ts'
import { SERVICE, type Saying, answersTo, heardIn, nodeAnswers, ringHostAnswer } from './records.ts'

export interface Options extends MethodContext {
  /** MDNS_SERVICE; `_thatdam._tcp` unless the owner says another. */
  readonly service?: string
}

/** One responder an interface: multicast leaves by the interface it was told, and an answer carries the address that is right there. */
interface Responder {
  readonly local: LocalAddress
  readonly mdns: MulticastDNS
  readonly answering: Bucket
}

const TTL_SECONDS = 45
const INTERFACES_MAX = 16

/** mDNS and DNS-SD, also seen by other people's browsers of services. Whoever leads answers the ring's host name too. */
export function create(options: Options): DiscoveryMethod {
  const { network, log, ttlMs } = options
  const service = options.service ?? SERVICE
  const found = new FoundListeners()
  const responders = new Map<string, Responder>()
  let said: Said | null = null
  let quiet: (() => void) | null = null
  let forget: (() => void) | null = null

  const saying = (responder: Responder, ttlSeconds = TTL_SECONDS): Saying | null =>
    said && { service, ...said, address: responder.local.address, ttlSeconds }

  const sayAll = (ttlSeconds: number, ringHost: boolean) => {
    for (const responder of responders.values()) {
      const what = saying(responder, ttlSeconds)
      if (what) responder.mdns.respond([...nodeAnswers(what), ...(ringHost ? [ringHostAnswer(what)] : [])])
    }
  }
  const ask = () => {
    for (const { mdns } of responders.values()) mdns.query([{ name: `${service}.local`, type: 'PTR' }])
  }
  const onQuery = (responder: Responder, packet: QueryPacket, from: RemoteInfo) => {
    // Every socket of the port hears every interface's multicast: the one on the asker's subnet answers, the first one for a stranger's.
    const at = (one: Responder) => inSubnet(from.address, one.local.address, one.local.prefixLength)
    const all = [...responders.values()]
    if ((all.find(at) ?? all[0]) !== responder) return
    const what = saying(responder)
    const answers = what === null ? [] : answersTo(packet.questions ?? [], what)
    if (answers.length > 0 && responder.answering.take(performance.now())) responder.mdns.respond(answers)
  }
  const onResponse = (responder: Responder, packet: ResponsePacket, from: RemoteInfo) => {
    const interfaceName = inSubnet(from.address, responder.local.address, responder.local.prefixLength)
      ? responder.local.interfaceName
      : null
    if (interfaceName === null && responder !== responders.values().next().value) return
    for (const heard of heardIn([...(packet.answers ?? []), ...(packet.additionals ?? [])], service))
      found.tell({ method: 'mdns', ...heard, source: from.address, interfaceName, ageMs: 0, relayed: false })
  }
  const open = (local: LocalAddress): Promise<void> =>
    new Promise((resolve, reject) => {
      const mdns = makeMdns({ interface: local.address, bind: '0.0.0.0', reuseAddr: true })
      const responder: Responder = { local, mdns, answering: new Bucket(10, 20, performance.now()) }
      responders.set(local.address, responder)
      mdns.on('query', (packet, from) => onQuery(responder, packet, from))
      mdns.on('response', (packet, from) => onResponse(responder, packet, from))
      mdns.on('ready', () => resolve())
      mdns.on('error', (error: Error) => {
        close(responder)
        reject(error)
      })
    })
  const close = ({ local, mdns }: Responder) => {
    responders.delete(local.address)
    mdns.destroy()
  }
  /** One responder for each interface with an IPv4 address; those whose address went are closed. @returns how many could not be opened. */
  const follow = async (): Promise<unknown[]> => {
    const calling = callingAddresses(network.current).filter((local) => local.family === 'ipv4')
    const wanted = [...new Map(calling.map((local) => [local.interfaceName, local])).values()].slice(0, INTERFACES_MAX)
    const addresses = new Set(wanted.map((local) => local.address))
    for (const responder of responders.values()) if (!addresses.has(responder.local.address)) close(responder)
    const opened = await Promise.allSettled(wanted.filter((local) => !responders.has(local.address)).map(open))
    const failures = opened.flatMap((result) => (result.status === 'rejected' ? [result.reason] : []))
    for (const failure of failures) log(`mDNS cannot use one interface: ${String(failure)}`)
    if (forget === null) {
      for (const responder of responders.values()) close(responder)
      return []
    }
    quiet?.()
    let asked = 0
    const round = () => {
      if (asked++ < 4) ask()
      sayAll(TTL_SECONDS, said?.leads ?? false)
    }
    quiet = repeat(round, [0, 250, 1_000, 3_000], ttlMs / 3)
    return failures
  }

  return {
    name: 'mdns',
    onFound: found.add,
    start: async () => {
      forget = network.onChange(() => void follow())
      const failures = await follow()
      if (responders.size === 0 && failures.length > 0)
        throw new ThatdamError(
          'UNAVAILABLE',
          'mDNS cannot be used: port 5353 is held by a program that does not share it. The other ways of finding machines go on; end that program to use this one.',
          { cause: failures[0] },
        )
    },
    stop: async () => {
      forget?.()
      forget = null
      quiet?.()
      quiet = null
      sayAll(0, said?.leads ?? false)
      await Promise.all(
        [...responders.values()].map(({ mdns }) => new Promise<void>((resolve) => setImmediate(() => mdns.destroy(resolve)))),
      )
      responders.clear()
    },
    announce: (next) => {
      const stepsDown = said?.leads === true && !next.leads
      said = next
      if (quiet === null) return
      if (stepsDown)
        for (const responder of responders.values()) {
          const what = saying(responder, 0)
          if (what) responder.mdns.respond([ringHostAnswer(what)])
        }
      sayAll(TTL_SECONDS, next.leads)
    },
  }
}
