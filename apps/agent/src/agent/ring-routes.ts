import { ThatdamError } from '@thatdam/protocol/errors'
import type { SessionStore } from '../gateway/session-store.ts'
import type { RingRoutePorts } from '../local-api/ring-routes.ts'
import type { Adoptions } from './adoptions.ts'
import type { KeyReplacement } from './key-replacement.ts'
import type { RingDoor } from './ring-door.ts'
import type { RoamTickets } from './roam-tickets.ts'

export interface RingRouteParts {
  readonly entrance: RingDoor
  readonly adoptions: Adoptions
  readonly replacement: KeyReplacement
  readonly sessions: SessionStore
  readonly roam: RoamTickets
}

/** Which part answers what the local API is asked about the ring. */
export function ringRoutePorts({ entrance, adoptions, replacement, sessions, roam }: RingRouteParts): RingRoutePorts {
  return {
    joinTokens: () => entrance.joinTokens(),
    makeJoinToken: (request) => entrance.makeJoinToken(request),
    revokeJoinToken: (id) => entrance.revokeJoinToken(id),
    removeMember: (nodeId) => entrance.removeMember(nodeId),
    makeRecoveryKey: () => entrance.makeRecoveryKey(),
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
