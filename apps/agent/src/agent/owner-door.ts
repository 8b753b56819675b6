import { verifyHandoffToken } from '@thatdam/control/access-node'
import { ThatdamError } from '@thatdam/protocol/errors'
import type { NewSessionRequest, NewSessionResponse, OwnerCredential } from '@thatdam/protocol/local'
import type { SessionStore } from '../gateway/session-store.ts'
import { readOwner, writeOwner } from '../state/owner.ts'
import type { Identity } from '../state/identity.ts'
import type { RoamTickets } from './roam-tickets.ts'
import type { SharedOwner } from './shared-owner.ts'

export interface OwnerDoorPorts {
  readonly path: string
  readonly identity: Identity
  readonly sessions: SessionStore
  /** The pinned key of the cloud that this machine is registered with. */
  readonly instanceKey: () => string | null
  readonly shared: SharedOwner
  readonly roam: RoamTickets
  /** The password was set, changed or removed: the gateway moves between loopback and the LAN. */
  readonly onChanged: () => Promise<void>
}

/** The owner's password hash, and who gets a session. */
export class OwnerDoor {
  private readonly ports: OwnerDoorPorts
  private owner: OwnerCredential

  private constructor(ports: OwnerDoorPorts, owner: OwnerCredential) {
    this.ports = ports
    this.owner = owner
  }

  static async open(ports: OwnerDoorPorts): Promise<OwnerDoor> {
    return new OwnerDoor(ports, await readOwner(ports.path))
  }

  get credential(): OwnerCredential {
    return this.owner
  }

  get bind(): 'loopback' | 'lan' {
    return this.owner.passwordHash === null ? 'loopback' : 'lan'
  }

  /** Follows what the ring says: a password that was set on another machine is the password here, where this machine may know it. */
  async follow(): Promise<void> {
    const { shared } = this.ports
    shared.publishFirst(this.owner.passwordHash)
    const passwordHash = shared.passwordHash()
    if (passwordHash === undefined || passwordHash === this.owner.passwordHash) return
    await this.keep({ passwordHash })
  }

  /** Setting, changing and resetting the password end every session. */
  async set(owner: OwnerCredential): Promise<void> {
    this.ports.shared.publish(owner.passwordHash)
    await this.keep(owner)
  }

  private async keep(owner: OwnerCredential): Promise<void> {
    await writeOwner(this.ports.path, owner)
    this.owner = owner
    this.ports.sessions.endAll()
    await this.ports.onChanged()
  }

  /** `password`: the console has verified it. `handoff`: verified here, and good once. */
  newSession(request: NewSessionRequest): NewSessionResponse {
    const { identity, sessions, roam } = this.ports
    if (request.kind === 'password') return sessions.create('password', request.displayName)
    if (request.kind === 'roam') {
      const { kind, displayName } = roam.redeem(request.ticket ?? '')
      return sessions.create(kind, displayName)
    }
    const instanceKey = this.ports.instanceKey()
    const expected = { nodeId: identity.nodeId, nodeKey: identity.key.publicKey, nowMs: Date.now() }
    const claims = instanceKey === null ? null : verifyHandoffToken(request.handoffToken ?? '', { ...expected, instanceKey })
    if (!claims || !sessions.useHandoff(claims.handoffId, claims.expiresAtMs)) {
      throw new ThatdamError(
        'FORBIDDEN',
        'This link from the cloud’s page was used already, is older than a minute, or is for another machine. Choose “Open console” there again.',
      )
    }
    return sessions.create('handoff', claims.email)
  }
}
