import { randomBytes, randomInt } from 'node:crypto'
import { ThatdamError } from '@thatdam/protocol/errors'
import type { LocalState, Session } from '@thatdam/protocol/local'
import {
  NewAdoptionRequest,
  NewJoinTokenRequest,
  RoamTicketRequest,
  UseRecoveryKeyRequest,
  type Adoption,
  type JoinTokenInfo,
  type NewJoinToken,
} from '@thatdam/protocol/ring-door'
import { fakeMember } from './fake-members.ts'

/*
 * The part of a fake agent that lets machines in and puts them out. The machine on the other side of an adoption does nothing by itself: a
 * test says what it does with `otherSide`.
 */

const ADOPTION_MS = 300_000
const TICKET_MS = 120_000

export interface FakeRingDoor {
  /** Open tokens, by id. */
  readonly tokens: Map<string, JoinTokenInfo>
  /** Tickets that are taken, once each, and the session that they stand for. */
  readonly tickets: Map<string, Session>
  /** Where install.sh lies, for new tokens. */
  installUrl: string | null
  /** What the person at the other machine does, or time: `expire`. */
  otherSide(adoptionId: string, does: 'confirm' | 'refuse' | 'expire'): void
}

export interface FakeRingDoorPorts {
  readonly state: LocalState
  update(change: (state: LocalState) => void): void
  readonly sessions: ReadonlyMap<string, Session>
}

export class FakeRingDoorServer implements FakeRingDoor {
  readonly tokens = new Map<string, JoinTokenInfo>()
  readonly tickets = new Map<string, Session>()
  installUrl: string | null = 'http://192.168.1.20:8080'
  private readonly ports: FakeRingDoorPorts
  /** Of the recovery key. */
  private words = ''

  constructor(ports: FakeRingDoorPorts) {
    this.ports = ports
  }

  /** @returns status and body, or null: not a route of this part. */
  answer(key: string, input: unknown): [status: number, body: unknown] | null {
    const adoption = /^POST \/local\/adoptions\/([^/]+)\/(confirm|cancel)$/.exec(key)
    const token = /^DELETE \/local\/join-tokens\/([^/]+)$/.exec(key)
    const ring = /^POST \/local\/rings\/([0-9a-f]{64})\/go-over$/.exec(key)
    const member = /^POST \/local\/members\/([^/]+)\/remove$/.exec(key)
    if (key === 'POST /local/adoptions') return [201, this.adopt(NewAdoptionRequest.parse(input).publicKey)]
    if (adoption?.[1])
      return [200, adoption[2] === 'confirm' ? this.confirm(adoption[1]) : this.end(adoption[1], 'refused', 'You said no.')]
    if (key === 'GET /local/join-tokens') return [200, { tokens: [...this.tokens.values()] }]
    if (key === 'POST /local/join-tokens') return [201, this.makeToken(NewJoinTokenRequest.parse(input))]
    if (token?.[1]) {
      if (!this.tokens.delete(token[1])) throw new ThatdamError('NOT_FOUND', 'There is nothing here.')
      return [204, null]
    }
    if (member?.[1]) return this.remove(member[1])
    if (key === 'POST /local/recovery-key') return [201, this.recoveryKey()]
    if (key === 'POST /local/recovery-key/use') return [200, this.useRecoveryKey(UseRecoveryKeyRequest.parse(input).words)]
    if (ring?.[1]) return this.goOver(ring[1])
    if (key === 'POST /local/tickets') return [201, this.ticket(RoamTicketRequest.parse(input).sessionId)]
    return null
  }

  otherSide(adoptionId: string, does: 'confirm' | 'refuse' | 'expire'): void {
    const name = this.adoption(adoptionId).nodeId
    if (does === 'expire') this.end(adoptionId, 'expired', 'Nobody confirmed within five minutes. Let it in again.')
    else if (does === 'refuse') this.end(adoptionId, 'refused', `Somebody at ${name} said no.`)
    else this.done(adoptionId)
  }

  private adoption(id: string): Adoption {
    const adoption = this.ports.state.adoptions.find((one) => one.id === id)
    if (adoption === undefined) throw new ThatdamError('NOT_FOUND', 'There is nothing here.')
    return adoption
  }

  private change(id: string, change: Partial<Adoption>): Adoption {
    const adoption = this.adoption(id)
    this.ports.update(() => Object.assign(adoption, change))
    return adoption
  }

  private adopt(publicKey: string): Adoption {
    const { state } = this.ports
    const open = state.adoptions.find((one) => one.publicKey === publicKey && /^(waiting|compare|confirmed)$/.test(one.state))
    if (open) return open
    const machine = state.ring.waiting.find((one) => one.publicKey === publicKey)
    if (!machine) throw new ThatdamError('NOT_FOUND', 'There is nothing here.')
    const adoption: Adoption = {
      id: randomBytes(8).toString('hex'),
      nodeId: machine.nodeId,
      publicKey,
      direction: 'in',
      code: String(randomInt(1_000_000)).padStart(6, '0'),
      state: 'compare',
      attemptsLeft: 4,
      expiresAtMs: Date.now() + ADOPTION_MS,
      reason: '',
    }
    this.ports.update(() => state.adoptions.push(adoption))
    return adoption
  }

  private confirm(id: string): Adoption {
    if (this.adoption(id).state !== 'compare') throw new ThatdamError('CONFLICT', 'There is no code to confirm any more. Let it in again.')
    return this.change(id, { state: 'confirmed' })
  }

  private end(id: string, state: 'refused' | 'expired', reason: string): Adoption {
    return this.change(id, { state, reason })
  }

  private done(id: string): void {
    const { nodeId, publicKey, direction } = this.change(id, { state: 'done' })
    if (direction === 'out') return
    const { members, ring } = this.ports.state
    this.ports.update(() => {
      members.push(fakeMember(nodeId, 'Debian GNU/Linux 13 (trixie)'))
      ring.waiting = ring.waiting.filter((one) => one.publicKey !== publicKey)
    })
  }

  private makeToken({ machines, lifeMinutes }: NewJoinTokenRequest): NewJoinToken {
    const id = randomBytes(8).toString('hex')
    const expiresAtMs = Date.now() + lifeMinutes * 60_000
    this.tokens.set(id, { id, machines, used: 0, madeAtMs: Date.now(), expiresAtMs })
    const { clusterId, fingerprint } = this.ports.state.node
    const text = `td1.${clusterId}.${fingerprint.slice(0, 32)}.${randomBytes(36).toString('base64url')}`
    return { id, text, expiresAtMs, installUrl: this.installUrl }
  }

  private remove(nodeId: string): [number, null] {
    const { state } = this.ports
    if (!state.members.some((one) => one.nodeId === nodeId)) throw new ThatdamError('NOT_FOUND', 'There is nothing here.')
    this.ports.update(() => (state.members = state.members.filter((one) => one.nodeId !== nodeId)))
    return [204, null]
  }

  private recoveryKey(): { words: string } {
    const { ring } = this.ports.state
    if (ring.recoveryKeyMade)
      throw new ThatdamError('CONFLICT', 'This ring has a recovery key already. Only that key can make the next one.')
    this.ports.update(() => (ring.recoveryKeyMade = true))
    const digits = Array.from(randomBytes(56), (byte) => '0123456789ABCDEFGHJKMNPQRSTVWXYZ'[byte % 32]).join('')
    this.words = digits.replace(/.{4}(?=.)/g, '$&-')
    return { words: this.words }
  }

  private useRecoveryKey(words: string): { outcome: 'named' | 'known' } {
    const typed = words.replaceAll(/[\s-]/g, '')
    if (typed.length !== 56) throw new ThatdamError('BAD_REQUEST', `The recovery key has 14 groups of four; this is ${typed.length} signs.`)
    const { ring } = this.ports.state
    if (!ring.recoveryKeyMade) {
      this.words = words
      this.ports.update(() => (ring.recoveryKeyMade = true))
      return { outcome: 'named' }
    }
    if (typed === this.words.replaceAll('-', '')) return { outcome: 'known' }
    throw new ThatdamError('CONFLICT', 'This ring has another recovery key than this one.')
  }

  private goOver(fingerprint: string): [number, null] {
    const other = this.ports.state.ring.others.find((one) => one.fingerprint === fingerprint)
    if (other?.fate !== 'asks') throw new ThatdamError('CONFLICT', 'That ring does not prove any more that it is yours.')
    this.ports.update(() => (other.fate = 'goes-over'))
    return [204, null]
  }

  private ticket(sessionId: string): { ticket: string; expiresAtMs: number } {
    const session = [...this.ports.sessions.values()].find((one) => one.sessionId === sessionId)
    const ticket = randomBytes(24).toString('base64url')
    this.tickets.set(ticket, session ?? { sessionId, kind: 'password', displayName: 'Owner' })
    return { ticket, expiresAtMs: Date.now() + TICKET_MS }
  }
}
