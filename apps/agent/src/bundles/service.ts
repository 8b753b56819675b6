import { join } from 'node:path'
import type { Json } from '@thatdam/protocol/canonical'
import { ThatdamError } from '@thatdam/protocol/errors'
import { Backoff, sleep } from '../backoff.ts'
import type { RunningService, ServiceContext, ServiceHost, ServiceView } from '../services/service.ts'

const MiB = 1024 * 1024
const EXEC = { nice: 0, rssMaxBytes: 1280 * MiB, heapMaxMiB: 640 }

/** A service whose code is a bundle: fetched first (with a reason while that lasts), then `node server.mjs` in its folder. */
export class BundleService implements RunningService {
  private readonly context: ServiceContext
  private readonly host: ServiceHost
  private readonly stopping = new AbortController()
  private readonly opened: Promise<void>
  private inner: RunningService | null = null
  private peers: Readonly<Record<string, string>> | null = null
  private reason = 'Looks for the console’s files.'

  constructor(context: ServiceContext, host: ServiceHost) {
    this.context = context
    this.host = host
    this.opened = this.open()
  }

  view(): ServiceView {
    if (this.inner) return this.inner.view()
    return { state: 'waiting', reason: this.reason, restarts: 0, url: null, status: null, failedStarts: 0 }
  }

  command(command: string, params: Readonly<Record<string, Json>>): Promise<Json> {
    return this.inner?.command(command, params) ?? Promise.reject(new ThatdamError('UNAVAILABLE', this.reason))
  }

  setPeers(peers: Readonly<Record<string, string>>): void {
    this.peers = peers
    this.inner?.setPeers(peers)
  }

  async stop(limitMs?: number): Promise<void> {
    this.stopping.abort()
    await this.opened
    await this.inner?.stop(limitMs)
  }

  private async open(): Promise<void> {
    const backoff = new Backoff()
    const { signal } = this.stopping
    while (!signal.aborted) {
      try {
        const folder = await this.host.bundles.open('console', (sentence) => this.say(sentence), signal)
        if (signal.aborted) return
        this.inner = this.host.exec(this.context, { ...EXEC, entry: { file: join(folder, 'server.mjs'), cwd: folder } })
        if (this.peers) this.inner.setPeers(this.peers)
        return
      } catch (error) {
        if (signal.aborted) return
        this.say(error instanceof ThatdamError ? error.message : `The console’s files cannot be used: ${String(error)}`)
        await sleep(backoff.nextMs(), signal)
      }
    }
  }

  private say(sentence: string): void {
    this.reason = sentence.slice(0, 500)
    this.host.changed()
  }
}
