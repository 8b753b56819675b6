import type {
  AppendOpsRequest,
  AppendOpsResponse,
  FolderListing,
  LocalState,
  NewSessionRequest,
  NewSessionResponse,
  OpFeed,
  OwnerCredential,
  ServiceCommand,
} from '@thatdam/protocol/local'
import type { Json } from '@thatdam/protocol/canonical'
import type { ServiceName } from '@thatdam/protocol/plan'
import type {
  Adoption,
  JoinTokenList,
  NewAdoptionRequest,
  NewJoinToken,
  NewJoinTokenRequest,
  NewRecoveryKey,
  RoamTicket,
  UsedRecoveryKey,
  UseRecoveryKeyRequest,
} from '@thatdam/protocol/ring-door'

/**
 * What the console asks of its agent. Every call rejects with a ThatdamError: the agent's own code and sentence, or UNAVAILABLE when it
 * does not answer. The caller retries what is safe to retry; an append is not, unless its ops carry ids.
 */
export interface AgentPort {
  /** Held up to 25 s when nothing is newer than `after`; null: at once. */
  state(after: number | null, signal: AbortSignal): Promise<LocalState>
  readOps(after: number, limit: number, waitMs: number, signal: AbortSignal): Promise<OpFeed>
  /** Signed and fsynced when it resolves. */
  appendOps(request: AppendOpsRequest): Promise<AppendOpsResponse>
  /** To a service of this machine, or of the one that `nodeId` names. */
  command(service: ServiceName, command: ServiceCommand): Promise<Json>
  /** One level of folders; null: where to begin. Of this machine unless `nodeId` names another one. */
  folders(path: string | null, nodeId?: string): Promise<FolderListing>
  ownerCredential(): Promise<OwnerCredential>
  /** Ends every session but those made afterwards. */
  setOwnerCredential(credential: OwnerCredential): Promise<void>
  createSession(request: NewSessionRequest): Promise<NewSessionResponse>
  endSession(sessionId: string): Promise<void>
  /** One use at another machine of the ring, for the browser that has this session. */
  roamTicket(sessionId: string): Promise<RoamTicket>
  /** Begins to let in a machine that is near and belongs to nobody. Its progress is in the state. */
  adopt(request: NewAdoptionRequest): Promise<Adoption>
  answerAdoption(id: string, answer: 'confirm' | 'cancel'): Promise<Adoption>
  joinTokens(): Promise<JoinTokenList>
  /** The text is told this once. */
  makeJoinToken(request: NewJoinTokenRequest): Promise<NewJoinToken>
  revokeJoinToken(id: string): Promise<void>
  /** Out of the ring, for good. */
  removeMember(nodeId: string): Promise<void>
  /** Told this once. */
  makeRecoveryKey(): Promise<NewRecoveryKey>
  /** The printed key, as typed: the ring takes it as its own, or is said to be its owner's once more. */
  useRecoveryKey(request: UseRecoveryKeyRequest): Promise<UsedRecoveryKey>
  /** This ring goes over to that one, which only the cloud says is the same owner's. */
  goOver(fingerprint: string): Promise<void>
}
