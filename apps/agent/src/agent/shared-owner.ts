import { openSealed, sealFor, sealKeyFromSeed, type SealKey } from '@thatdam/control/seal'
import type { OpLog } from '@thatdam/oplog/disk/log'
import type { OpBody } from '@thatdam/protocol/ops'
import type { SharedSessions } from '../gateway/session-store.ts'
import type { RingState } from '../ring/ring-state.ts'
import type { RosterStore } from '../ring/roster-store.ts'
import type { Identity } from '../state/identity.ts'

const PASSWORD = 'owner-password'

export interface SharedOwnerPorts {
  readonly identity: Identity
  readonly oplog: OpLog
  readonly state: RingState
  readonly store: () => RosterStore
}

/**
 * The owner's password and the browser sessions as the ring shares them: the hash of the password sealed to every admitter, the hashes of cookies
 * in the open. Only admitters may sign either, so on another machine all of this does nothing.
 */
export class SharedOwner implements SharedSessions {
  private readonly ports: SharedOwnerPorts
  private readonly sealKey: SealKey
  /** The present one, and those of keys that this machine had before. */
  private readonly opening: readonly SealKey[]

  constructor(ports: SharedOwnerPorts) {
    this.ports = ports
    const { key, former } = ports.identity
    this.sealKey = sealKeyFromSeed(key.seed)
    this.opening = [this.sealKey, ...former.map((one) => sealKeyFromSeed(one.key.seed))]
  }

  /** The hash as the ring knows it; undefined: the ring has none, or it is not sealed to this machine. Null: the owner took it back. */
  passwordHash(): string | null | undefined {
    const secret = this.ports.state.secret(this.name())
    if (secret === null) return undefined
    if (secret.sealedFor.length === 0) return null
    for (const sealKey of this.opening) {
      const opened = openSealed(secret.sealedFor, sealKey, this.purpose())
      if (opened !== null) return opened.toString('utf8')
    }
    return undefined
  }

  /** Names the edit in force: another one means that the password was set anew or sealed to others. */
  get edit(): string | null {
    return this.ports.state.secret(this.name())?.opId ?? null
  }

  /** The owner set a password here (null: took it back): every session that did not see this ends, on every machine. */
  publish(passwordHash: string | null): void {
    if (!this.maySign()) return
    this.append([this.secretOf(passwordHash), { kind: 'session.ended', cookieHash: 'all', expiresAtMs: null }])
  }

  /** Seals what this machine can read to admitters that cannot yet: those that were let in or raised since. */
  reseal(): void {
    const secret = this.ports.state.secret(this.name())
    const hash = this.passwordHash()
    if (!this.maySign() || secret === null || hash === null || hash === undefined) return
    const have = new Set(secret.sealedFor.map(({ publicKey }) => publicKey))
    if (this.readers().every((publicKey) => have.has(publicKey))) return
    this.append([this.secretOf(hash)])
  }

  /**
   * A password that was set before the ring could share it. By its founder alone: whoever came later may not have heard yet of the ring's, and would
   * replace it by its own.
   */
  publishFirst(passwordHash: string | null): void {
    const { identity, store } = this.ports
    const isFounder = store().founding.body.founder.nodeId === identity.nodeId
    if (passwordHash !== null && isFounder && this.edit === null && this.maySign()) this.append([this.secretOf(passwordHash)])
  }

  find(cookieHash: string): ReturnType<SharedSessions['find']> {
    return this.ports.state.session(cookieHash)
  }

  started(session: Parameters<SharedSessions['started']>[0]): void {
    if (this.maySign()) this.append([{ kind: 'session.started', ...session, seenEnd: this.ports.state.endOfAllSessions }])
  }

  ended(cookieHash: string, expiresAtMs: number): void {
    if (this.maySign()) this.append([{ kind: 'session.ended', cookieHash, expiresAtMs }])
  }

  onEnded(listener: Parameters<SharedSessions['onEnded']>[0]): void {
    this.ports.state.onEnded(listener)
  }

  private secretOf(passwordHash: string | null): OpBody {
    const sealedFor = passwordHash === null ? [] : sealFor(this.readers(), passwordHash, this.purpose())
    return { kind: 'secret.set', name: this.name(), sealedFor, replaces: this.edit }
  }

  /** Seal keys of all admitters that told theirs; this machine's own among them. */
  private readers(): string[] {
    const { state, store } = this.ports
    const admitters = [...store().roster.members.values()].filter(({ admitter }) => admitter)
    return [...new Set([this.sealKey.publicKey, ...admitters.flatMap(({ nodeId }) => state.factsOf(nodeId)?.sealKey ?? [])])]
  }

  private maySign(): boolean {
    const { identity, store } = this.ports
    return store().member(identity.nodeId)?.admitter === true
  }

  private append(bodies: readonly OpBody[]): void {
    this.ports.oplog.append(bodies.map((body) => ({ body })))
    this.ports.state.absorb()
  }

  /** Of each ring its own: the one of a ring that came over is sealed to nobody here, and must not count as the newer one. */
  private name(): string {
    return `${PASSWORD}:${this.ports.store().clusterId}`
  }

  private purpose(): string {
    return `${PASSWORD} ${this.ports.store().clusterId}`
  }
}
