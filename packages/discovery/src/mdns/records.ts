import type { AnnouncementBody } from '@thatdam/protocol/discovery'
import type { QueryPacket, ResponsePacket } from 'multicast-dns'

export type Answer = NonNullable<ResponsePacket['answers']>[number]
export type Question = NonNullable<QueryPacket['questions']>[number]

/** DNS-SD service type; MDNS_SERVICE changes the first label. */
export const SERVICE = '_thatdam._tcp'
/** Answered by whoever leads. */
export const RING_HOST = 'thatdam.local'
const META = '_services._dns-sd._udp.local'
const TEXT_BYTES = 250

export interface Saying {
  readonly service: string
  readonly bytes: Uint8Array
  readonly body: AnnouncementBody
  readonly leads: boolean
  /** IPv4 address of the interface that the answer goes out on. */
  readonly address: string
  /** 0: good-bye. */
  readonly ttlSeconds: number
}

/** PTR, SRV, TXT and A of one node: DNS-SD (RFC 6763). The signed announcement is cut into the TXT record's strings `a0=` to `a4=`. */
export function nodeAnswers({ service, bytes, body, address, ttlSeconds: ttl }: Saying): Answer[] {
  const type = `${service}.local`
  const instance = `${body.nodeId}.${type}`
  const host = `${body.nodeId}.local`
  const data = ['v=1']
  for (let at = 0; at < bytes.length; at += TEXT_BYTES)
    data.push(`a${at / TEXT_BYTES}=${Buffer.from(bytes.subarray(at, at + TEXT_BYTES)).toString('latin1')}`)
  return [
    { name: type, type: 'PTR', ttl, data: instance },
    { name: instance, type: 'SRV', ttl, flush: true, data: { port: body.port, target: host, priority: 0, weight: 0 } },
    { name: instance, type: 'TXT', ttl, flush: true, data: data.map((text) => Buffer.from(text, 'latin1')) },
    { name: host, type: 'A', ttl, flush: true, data: address },
  ]
}

export const ringHostAnswer = ({ address, ttlSeconds: ttl }: Saying): Answer => ({
  name: RING_HOST,
  type: 'A',
  ttl,
  flush: true,
  data: address,
})

/** What to answer to one query; empty: nothing of ours was asked for. */
export function answersTo(questions: readonly Question[], saying: Saying): Answer[] {
  const type = `${saying.service}.local`
  const own = new Set([type, `${saying.body.nodeId}.${type}`, `${saying.body.nodeId}.local`].map((name) => name.toLowerCase()))
  const names = questions.slice(0, 32).map((question) => question.name.toLowerCase())
  return [
    ...(names.some((name) => own.has(name)) ? nodeAnswers(saying) : []),
    ...(names.includes(META) ? [{ name: META, type: 'PTR' as const, ttl: saying.ttlSeconds, data: type }] : []),
    ...(saying.leads && names.includes(RING_HOST) ? [ringHostAnswer(saying)] : []),
  ]
}

export interface Heard {
  readonly bytes: Uint8Array
  readonly goodbye: boolean
}

/** Announcements in the TXT records of a response, at most 16; other people's services are passed over. */
export function heardIn(answers: readonly Answer[], service: string): Heard[] {
  const suffix = `.${service}.local`
  return answers
    .filter((answer) => answer.type === 'TXT' && answer.name.toLowerCase().endsWith(suffix))
    .slice(0, 16)
    .flatMap((answer) => {
      const data: unknown = 'data' in answer ? answer.data : null
      const parts = new Map<number, Buffer>()
      for (const entry of Array.isArray(data) ? data.slice(0, 8) : [data]) {
        const match = Buffer.isBuffer(entry) ? /^a([0-4])=/.exec(entry.toString('latin1', 0, 3)) : null
        if (match && Buffer.isBuffer(entry)) parts.set(Number(match[1]), entry.subarray(3))
      }
      const bytes = Buffer.concat([0, 1, 2, 3, 4].map((index) => parts.get(index) ?? Buffer.alloc(0)))
      return bytes.length === 0 ? [] : [{ bytes, goodbye: 'ttl' in answer && answer.ttl === 0 }]
    })
}
