import type { Json } from '@thatdam/protocol/canonical'
import type {
  AppendOpsRequest,
  AppendOpsResponse,
  FolderListing,
  LocalState,
  NewSessionRequest,
  NewSessionResponse,
  OpFeed,
  OwnerCredential,
} from '@thatdam/protocol/local'
import type { ServiceName } from '@thatdam/protocol/plan'

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
  command(service: ServiceName, command: string, params: Readonly<Record<string, Json>>): Promise<Json>
  /** One level of folders; null: where to begin. */
  folders(path: string | null): Promise<FolderListing>
  ownerCredential(): Promise<OwnerCredential>
  /** Ends every session but those made afterwards. */
  setOwnerCredential(credential: OwnerCredential): Promise<void>
  createSession(request: NewSessionRequest): Promise<NewSessionResponse>
  endSession(sessionId: string): Promise<void>
}
