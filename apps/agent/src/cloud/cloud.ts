import { randomBytes } from 'node:crypto'
import { buildRenewRequest } from '@thatdam/control/access-node'
import { beginRenewal, finishRenewal } from '@thatdam/control/credentials'
import { ErrorBody, ERRORS, ThatdamError, type ErrorCode } from '@thatdam/protocol/errors'
import { RenewResponse } from '@thatdam/protocol/join'
import type { LocalState } from '@thatdam/protocol/local'
import { callJson, type CallAnswer, type CallOptions } from '../http-client.ts'
import { readCredential, writeCredential, type Credential } from '../state/credential.ts'
import type { Identity } from '../state/identity.ts'

const CALL_LIMIT_MS = 20_000

export type CloudState = LocalState['cloud']

export interface CloudOptions {
  readonly credentialPath: string
  readonly identity: Identity
  readonly credential: Credential
  readonly changed: () => void
}

/** One registration with the cloud: the access token and how the connection is. The machine's own work never waits for it. */
export class Cloud {
  private readonly options: CloudOptions
  private credential: Credential
  private current: CloudState
  private renewing: Promise<void> | null = null

  constructor(options: CloudOptions) {
    this.options = options
    this.credential = options.credential
    this.current = { url: options.credential.url, state: 'connecting', lastContactMs: null, reason: '' }
  }

  get state(): CloudState {
    return this.current
  }

  get instanceKey(): string {
    return this.credential.instanceKey
  }

  /** How long the present token needs no renewal; 0 when there is none. A clock that jumped back counts as 0. */
  get renewInMs(): number {
    const { accessToken, renewAtMs } = this.credential.access
    if (!this.isKeyKnown) return 0
    const waitMs = renewAtMs - Date.now()
    return accessToken === null || waitMs > 3600_000 ? 0 : Math.max(0, waitMs)
  }

  /** False: this machine replaced its key, and was not answered under the new one yet. */
  private get isKeyKnown(): boolean {
    const { former, key } = this.options.identity
    return former.length === 0 || this.credential.nodeKey === key.publicKey
  }

  contact(): void {
    this.set('connected', '')
  }

  failed(error: unknown): void {
    if (error instanceof ThatdamError && (error.code === 'NODE_REVOKED' || error.code === 'NODE_LOCKED')) this.set('refused', error.message)
    else this.set('away', error instanceof Error ? error.message : String(error))
  }

  /**
   * A request with the access token, renewed first when there is none, and once more when it is refused.
   * @throws ThatdamError UNAVAILABLE, NODE_REVOKED, NODE_LOCKED and what else the cloud answers.
   */
  async call(options: Omit<CallOptions, 'url' | 'headers'> & { readonly path: string }): Promise<CallAnswer> {
    if (this.credential.access.accessToken === null || !this.isKeyKnown) await this.renew(options.signal)
    let answer = await this.send(options)
    if (answer.status === 401) {
      await this.renew(options.signal)
      answer = await this.send(options)
    }
    if (answer.status >= 400) throw errorOf(answer, this.credential.url)
    this.contact()
    return answer
  }

  /** Only one renewal at a time; whoever asks meanwhile gets its outcome. */
  renew(signal?: AbortSignal): Promise<void> {
    this.renewing ??= this.renewOnce(signal).finally(() => (this.renewing = null))
    return this.renewing
  }

  private send(options: Omit<CallOptions, 'url' | 'headers'> & { readonly path: string }): Promise<CallAnswer> {
    const headers = { authorization: `Bearer ${this.credential.access.accessToken ?? ''}` }
    return callJson({ ...options, url: this.credential.url + options.path, headers })
  }

  private async renewOnce(signal: AbortSignal | undefined): Promise<void> {
    const access = beginRenewal(this.credential.access, randomBytes(16).toString('base64url'))
    await this.keep(access)
    let answer = await this.ask(access.pendingNonce, Date.now(), signal)
    if (answer.status !== 200 && codeOf(answer) === 'CLOCK_SKEW') {
      const serverMs = Date.parse(answer.headers.date ?? '')
      if (Number.isFinite(serverMs)) answer = await this.ask(access.pendingNonce, serverMs, signal)
    }
    if (answer.status !== 200) throw errorOf(answer, this.credential.url)
    await this.keep(finishRenewal(access, RenewResponse.parse(answer.body), Date.now()), this.options.identity.key.publicKey)
    this.contact()
  }

  private ask(requestNonce: string, sentAtMs: number, signal: AbortSignal | undefined): Promise<CallAnswer> {
    const { nodeId, key, former } = this.options.identity
    const { instanceKey: serverKey, access } = this.credential
    const rekeys = this.isKeyKnown ? {} : { rekeys: former.map(({ record }) => record) }
    const body = buildRenewRequest(key, { serverKey, nodeId, requestNonce, sequence: access.sequence, sentAtMs, ...rekeys })
    const url = `${this.credential.url}/agent/v1/token`
    return callJson({ method: 'POST', url, body, timeoutMs: CALL_LIMIT_MS, ...(signal ? { signal } : {}) })
  }

  private async keep(access: Credential['access'], nodeKey = this.credential.nodeKey): Promise<void> {
    const onDisk = await readCredential(this.options.credentialPath)
    if (onDisk?.registeredAtMs !== this.credential.registeredAtMs) {
      // `thatdam register` or `unregister` came between: what they wrote stays.
      throw new ThatdamError('CONFLICT', 'This machine’s registration has changed.')
    }
    this.credential = { ...this.credential, access, ...(nodeKey === undefined ? {} : { nodeKey }) }
    await writeCredential(this.options.credentialPath, this.credential)
  }

  private set(state: CloudState['state'], reason: string): void {
    const before = this.current
    const lastContactMs = state === 'connected' ? Date.now() : before.lastContactMs
    this.current = { ...before, state, reason, lastContactMs }
    if (before.state !== state || before.reason !== reason) this.options.changed()
  }
}

function codeOf(answer: CallAnswer): string {
  const body = ErrorBody.safeParse(answer.body)
  return body.success ? body.data.error.code : ''
}

/** The server's own sentence where it gave one. */
export function errorOf(answer: CallAnswer, url: string): ThatdamError {
  const body = ErrorBody.safeParse(answer.body)
  if (body.success && body.data.error.code in ERRORS) {
    return new ThatdamError(body.data.error.code as ErrorCode, body.data.error.message)
  }
  const code =
    answer.status === 429
      ? 'TOO_MANY_REQUESTS'
      : answer.status === 401
        ? 'UNAUTHENTICATED'
        : answer.status >= 500
          ? 'UNAVAILABLE'
          : 'BAD_REQUEST'
  return new ThatdamError(code, `${url} answered ${answer.status}${body.success ? `: ${body.data.error.message}` : ''}.`)
}
