import type { OpLog } from '@thatdam/oplog/disk/log'
import { EMPTY_REGISTER, readRegister } from '@thatdam/oplog/fields'
import { addFacts, NO_FACTS, type FactsByNode, type LatestFacts } from '@thatdam/oplog/latest-facts'
import { addPolicy, readPolicy } from '@thatdam/oplog/policy'
import { addToRegisters, NO_REGISTERS, type Registers } from '@thatdam/oplog/registers'
import { addSecrets, readSecret } from '@thatdam/oplog/secrets'
import { addSessions, newEnds, NO_SESSIONS, pruneSessions, type RingSession, type Sessions } from '@thatdam/oplog/sessions'
import type { OpFeedEntry } from '@thatdam/protocol/local'
import { DEFAULT_SETTINGS, NodeSettings } from '@thatdam/protocol/settings'

/** Sessions that ended, by the hashes of their cookies, hex. */
type EndedSessions = ReturnType<typeof newEnds>

const PAGE = 1_000
const SETTINGS_FIELDS = Object.keys(NodeSettings.shape) as (keyof NodeSettings)[]

/**
 * What the ring shares beside its media, folded from the ops that every member carries: facts, settings, policy, secrets, sessions. Only in memory:
 * these ops are few, and are read anew at each start.
 */
export class RingState {
  private readonly oplog: OpLog
  private readonly now: () => number
  private readonly listeners = new Set<() => void>()
  private readonly endListeners = new Set<(ended: EndedSessions) => void>()
  private feedId = ''
  private position = 0
  private facts: FactsByNode = NO_FACTS
  private settings: Registers = NO_REGISTERS
  private policies: Registers = NO_REGISTERS
  private secrets: Registers = NO_REGISTERS
  private sessions: Sessions = NO_SESSIONS

  constructor(oplog: OpLog, now: () => number) {
    this.oplog = oplog
    this.now = now
    this.absorb()
  }

  /** Called after ops of the ring were taken in. @returns how to stop. */
  onChange(listener: () => void): () => void {
    this.listeners.add(listener)
    return () => void this.listeners.delete(listener)
  }

  /** Called before `onChange` with the sessions that ops ended since this process began, whoever wrote them. */
  onEnded(listener: (ended: EndedSessions) => void): void {
    this.endListeners.add(listener)
  }

  /** Takes in what the op-log has beyond what was read. */
  absorb(): void {
    const before = this.sessions
    if (this.feedId !== this.oplog.feedId) this.beginAnew()
    let taken = 0
    for (;;) {
      const entries = this.oplog.read(this.position, PAGE, 'ring')
      this.take(entries)
      taken += entries.length
      this.position = entries.at(-1)?.position ?? this.position
      if (entries.length < PAGE) break
    }
    if (taken === 0) return
    this.sessions = pruneSessions(this.sessions, this.now())
    // Compared as they stand: a feed that was rebuilt brings every end again.
    const ended = newEnds(before, this.sessions)
    if (ended.length > 0) for (const listener of this.endListeners) listener(ended)
    for (const listener of this.listeners) listener()
  }

  /** Follows the log until the signal aborts. */
  async follow(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      await this.oplog.waitFor(this.oplog.position, signal)
      if (!signal.aborted) this.absorb()
    }
  }

  factsOf(nodeId: string): LatestFacts | null {
    return this.facts.get(nodeId) ?? null
  }

  /** The owner's wishes for a machine, last writer first; its own defaults where nobody wished anything. */
  settingsOf(nodeId: string): NodeSettings {
    const hostname = this.facts.get(nodeId)?.facts.hostname.split('.', 1)[0]?.slice(0, 64)
    const value: Record<string, unknown> = { ...DEFAULT_SETTINGS(hostname || nodeId) }
    for (const field of SETTINGS_FIELDS) {
      const { winner } = readRegister(this.settings.get(`${nodeId} ${field}`) ?? EMPTY_REGISTER)
      if (winner !== null) value[field] = winner.value
    }
    return NodeSettings.parse(value)
  }

  /** The op behind a machine's setting, which the next edit replaces; null: none yet. */
  settingEdit(nodeId: string, field: keyof NodeSettings): string | null {
    return readRegister(this.settings.get(`${nodeId} ${field}`) ?? EMPTY_REGISTER).winner?.id ?? null
  }

  get policy(): ReturnType<typeof readPolicy> {
    return readPolicy(this.policies)
  }

  secret(name: string): ReturnType<typeof readSecret> {
    return readSecret(this.secrets, name)
  }

  /** By the hash of its cookie, hex. `unknown`: no member told of it. */
  session(cookieHash: string): RingSession | 'ended' | 'unknown' {
    const { starts, ended, endOfAll } = this.sessions
    const start = starts.get(cookieHash)
    if (start === undefined) return ended.has(cookieHash) ? 'ended' : 'unknown'
    const isOpen = start.expiresAtMs > this.now() && !ended.has(cookieHash) && start.seenEnd === (endOfAll?.id ?? null)
    return isOpen ? start : 'ended'
  }

  /** The newest end of all sessions: what a new session says that it has seen. */
  get endOfAllSessions(): string | null {
    return this.sessions.endOfAll?.id ?? null
  }

  private beginAnew(): void {
    this.feedId = this.oplog.feedId
    this.position = 0
    this.facts = NO_FACTS
    this.settings = NO_REGISTERS
    this.policies = NO_REGISTERS
    this.secrets = NO_REGISTERS
    this.sessions = NO_SESSIONS
  }

  private take(entries: readonly OpFeedEntry[]): void {
    this.facts = addFacts(this.facts, entries)
    this.policies = addPolicy(this.policies, entries)
    this.secrets = addSecrets(this.secrets, entries)
    this.sessions = addSessions(this.sessions, entries)
    const wishes = entries.flatMap(({ op: { id, hlc, body } }) => {
      if (body.kind !== 'node.set' || !NodeSettings.shape[body.field].safeParse(body.value).success) return []
      return [[`${body.subject} ${body.field}`, { id, hlc, value: body.value, replaces: body.replaces }] as const]
    })
    this.settings = addToRegisters(this.settings, wishes)
  }
}
