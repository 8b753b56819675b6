import { randomBytes } from 'node:crypto'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { verifySignature } from '@thatdam/control/keys'
import { OpLog } from '@thatdam/oplog/disk/log'
import { SessionStore } from '../../gateway/session-store.ts'
import { RingState } from '../../ring/ring-state.ts'
import { RosterStore, type RingRecords } from '../../ring/roster-store.ts'
import type { Identity } from '../../state/identity.ts'
import { OwnerDoor } from '../owner-door.ts'
import { RoamTickets } from '../roam-tickets.ts'
import { SharedOwner } from '../shared-owner.ts'

/** A member of a ring without its sockets: its op-log, its sessions and the owner's door, on a disk of its own. */
export class DoorMachine {
  readonly identity: Identity
  readonly store: RosterStore
  readonly oplog: OpLog
  readonly state: RingState
  readonly shared: SharedOwner
  readonly sessions: SessionStore
  readonly roam: RoamTickets
  door!: OwnerDoor
  private readonly directory = mkdtempSync(join(tmpdir(), 'thatdam-door-'))

  private constructor(identity: Identity, records: RingRecords) {
    this.identity = identity
    this.store = new RosterStore(join(this.directory, 'roster.jsonl'), records)
    this.oplog = OpLog.open(this.directory, {
      nodeId: identity.nodeId,
      signer: identity.key,
      verify: verifySignature,
      clock: Date.now,
      admitter: () => this.store.member(identity.nodeId)?.admitter === true,
      random: (count) => randomBytes(count),
    })
    this.state = new RingState(this.oplog, Date.now)
    this.shared = new SharedOwner({ identity, oplog: this.oplog, state: this.state, store: () => this.store })
    this.sessions = new SessionStore(join(this.directory, 'sessions.db'), () => {}, this.shared)
    this.roam = new RoamTickets({
      identity,
      store: () => this.store,
      state: this.state,
      nowMs: Date.now,
      use: (id, expiresAtMs) => this.sessions.useHandoff(id, expiresAtMs),
    })
  }

  static async open(identity: Identity, records: RingRecords): Promise<DoorMachine> {
    const machine = new DoorMachine(identity, records)
    const { sessions, shared, roam, directory } = machine
    const ports = { identity, sessions, shared, roam, path: join(directory, 'owner.json') }
    machine.door = await OwnerDoor.open({ ...ports, instanceKey: () => null, onChanged: async () => {} })
    return machine
  }

  /** Takes in what the other one wrote into its log of the ring, as far as it may by this one's roster. */
  hear({ identity, oplog }: DoorMachine): void {
    const { publicKey } = identity.key
    const author = { publicKey, admitter: this.store.member(identity.nodeId)?.admitter === true }
    for (const batch of oplog.batches(oplog.ownLogId('ring'), 1)) this.oplog.importBatch(batch, author)
    this.state.absorb()
  }

  /** Somebody signs in. @returns the session's id. */
  signIn(): string {
    const { cookieValue } = this.door.newSession({ kind: 'password', displayName: 'Ada' })
    const session = this.sessions.resolve(cookieValue)
    if (session === null) throw new Error('the session is not open')
    return session.sessionId
  }

  close(): void {
    this.sessions.close()
    this.oplog.close()
    rmSync(this.directory, { recursive: true, force: true })
  }
}
