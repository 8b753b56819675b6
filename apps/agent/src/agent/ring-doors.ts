import { hostname } from 'node:os'
import { ThatdamError } from '@thatdam/protocol/errors'
import type { NodeRoute } from '../link/server.ts'
import type { RingRoutePorts } from '../local-api/ring-routes.ts'
import type { Log } from '../log.ts'
import type { Loops } from '../loops/supervisor.ts'
import type { Formers } from '../meet/formers.ts'
import { Meet, type MeetPorts } from '../meet/meet.ts'
import { OwnerProofs } from '../meet/owner-proofs.ts'
import type { SessionStore } from '../gateway/session-store.ts'
import type { Identity } from '../state/identity.ts'
import type { StatePaths } from '../state/paths.ts'
import { Adoptions } from './adoptions.ts'
import type { CloudLink } from './cloud-link.ts'
import { KeyReplacement, type KeyReplacementPorts } from './key-replacement.ts'
import { RingDoor } from './ring-door.ts'
import type { RingHost } from './ring-host.ts'
import type { RingWork } from './ring-work.ts'
import type { RoamTickets } from './roam-tickets.ts'

export interface RingDoorsPorts {
  readonly host: RingHost
  readonly work: RingWork
  readonly identity: Identity
  readonly bootCounter: number
  readonly paths: StatePaths
  readonly formers: Formers
  readonly link: CloudLink
  readonly log: Log
  /** It says yes by itself when a ring wants it. */
  readonly isAdopted: boolean
  readonly restart: KeyReplacementPorts['restart']
  /** This node has an owner. */
  readonly claimed: () => boolean
  readonly goesOn: MeetPorts['goesOn']
  readonly changed: () => void
}

/** All ways into this node’s ring and out of it: tokens, six digits, rings that meet. */
export class RingDoors {
  readonly entrance: RingDoor
  readonly adoptions: Adoptions
  readonly meet: Meet
  private readonly replacement: KeyReplacement

  private constructor(ports: RingDoorsPorts, proofs: OwnerProofs) {
    const { identity, bootCounter, isAdopted, link } = ports
    this.entrance = new RingDoor({ ...ports, installUrl: () => link.state.url })
    const self = { node: identity.key, nodeId: identity.nodeId, bootCounter, isAdopted }
    this.adoptions = new Adoptions({ ...ports, self, hostname: hostname() })
    this.meet = new Meet({ ...ports, proofs, cloud: () => link.standing })
    this.replacement = new KeyReplacement(ports)
  }

  /** @throws ThatdamError when a file is damaged. */
  static async open(ports: RingDoorsPorts): Promise<RingDoors> {
    return new RingDoors(ports, await OwnerProofs.open(ports.paths.ownerProofs))
  }

  /** Of the node API. */
  routes(): NodeRoute[] {
    return [...this.entrance.routes(), ...this.adoptions.routes(), ...this.meet.routes()]
  }

  startLoops(loops: Loops): void {
    this.adoptions.startLoops(loops)
    this.meet.startLoops(loops)
  }

  /** @throws what the disk refuses with. */
  async ringChanged(): Promise<void> {
    this.meet.ringChanged()
    await this.entrance.rosterChanged()
  }

  /** Of the local API. */
  localRoutes({ sessions, roam }: { sessions: SessionStore; roam: RoamTickets }): RingRoutePorts {
    const { entrance, adoptions, meet, replacement } = this
    return {
      joinTokens: () => entrance.joinTokens(),
      makeJoinToken: (request) => entrance.makeJoinToken(request),
      revokeJoinToken: (id) => entrance.revokeJoinToken(id),
      removeMember: (nodeId) => entrance.removeMember(nodeId),
      makeRecoveryKey: () => meet.makeRecoveryKey(),
      useRecoveryKey: (words) => meet.useRecoveryKey(words),
      goOver: (fingerprint) => meet.goOver(fingerprint),
      enter: (records) => entrance.enter(records),
      adopt: (publicKey) => adoptions.letIn(publicKey),
      answerAdoption: (id, answer) => adoptions.answer(id, answer),
      rekey: () => replacement.begin(),
      rekeyed: () => replacement.restart(),
      roamTicket: (sessionId) => {
        const session = sessions.byId(sessionId)
        if (session === null) throw new ThatdamError('NOT_FOUND', 'There is no such session.')
        return roam.issue(session)
      },
    }
  }
}
