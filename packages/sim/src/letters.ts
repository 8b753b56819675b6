import type { ElectionMessage } from '@thatdam/plan/election/contract'
import type { MembershipMessage } from '@thatdam/plan/membership/contract'
import type { PromiseMessage } from '@thatdam/plan/placement/promise'
import type { ClockWord } from '@thatdam/plan/ring-time/contract'
import type { Term } from '@thatdam/protocol/plan'
import type { CredentialMessage, SimCredential } from './credentials.ts'
import type { LogImage, LogMessage } from './logs.ts'
import type { RingDisk, RingMessage } from './ring.ts'

/** Whatever goes over the virtual network. */
export type Letter =
  | { readonly of: 'election'; readonly message: ElectionMessage }
  | { readonly of: 'membership'; readonly message: MembershipMessage }
  | { readonly of: 'order'; readonly term: Term }
  | { readonly of: 'promise'; readonly message: PromiseMessage }
  | { readonly of: 'log'; readonly message: LogMessage }
  | { readonly of: 'ring'; readonly message: RingMessage }
  | { readonly of: 'clock'; readonly message: ClockWord }
  | { readonly of: 'credential'; readonly message: CredentialMessage }

/** What may be large goes by stream: what is lost of it is sent again, and comes late. */
export const isByStream = (letter: Letter): boolean =>
  letter.of === 'log' || letter.of === 'ring' || (letter.of === 'membership' && letter.message.kind === 'sync')

/** A system disk as it was at some time. */
export interface DiskImage {
  readonly term: Term | null
  readonly ring: RingDisk
  readonly logs: LogImage
  readonly credential: SimCredential['disk']
}
