import { LOCAL_TOKEN_HEADER, SERVICE_HEALTH_PATH, ServiceHealth } from '@thatdam/protocol/local'
import type { PlanSelfTest, ServiceName } from '@thatdam/protocol/plan'
import { callJson } from './http-client.ts'
import type { ServiceView } from './services/service.ts'

export const SELF_TESTS_MAX = 3
const RETRY_MS = 1_000
/** When nothing could be gone back to: looked at again, so that the report does not stay behind what is. */
const LATER_MS = 60_000
const SILENCE_MAX_MS = 5_000
/** However slowly it drips. */
const ANSWER_LIMIT_MS = 10_000

export interface TestedService {
  readonly name: ServiceName
  readonly view: ServiceView
}

export interface SelfTesterOptions {
  readonly services: () => readonly TestedService[]
  /** Null: it is well; else what it is not, in one sentence. */
  readonly ask: (url: string) => Promise<string | null>
  readonly done: (result: PlanSelfTest) => void
}

/*
 * After a plan was applied, and when a service of it came up later: does everything that should run answer?
 *
 *   begin ─▶ ask all ─ well ─▶ done{ok}
 *               └ not ─▶ done{tries 1} ─ 1 s ─▶ … done{tries 2} ─ 2 s ─▶ … done{tries 3} ─ 60 s ─▶ … until it is well
 *   begin again goes on counting: a service that comes up and falls over is not new each time. cancel forgets.
 */
export class SelfTester {
  private readonly options: SelfTesterOptions
  /** Counts what was begun: an answer of an earlier one is no longer asked for. */
  private round = 0
  private failedTries = 0
  private timer: NodeJS.Timeout | null = null

  constructor(options: SelfTesterOptions) {
    this.options = options
  }

  begin(): void {
    this.round += 1
    if (this.timer) clearTimeout(this.timer)
    this.timer = null
    void this.test(this.round)
  }

  cancel(): void {
    this.round += 1
    this.failedTries = 0
    if (this.timer) clearTimeout(this.timer)
    this.timer = null
  }

  private async test(round: number): Promise<void> {
    const found = await Promise.all(this.options.services().map(async (service) => await this.failureOf(service)))
    if (round !== this.round) return
    const failures = found.filter((failure) => failure !== null)
    const ok = failures.length === 0
    const tries = Math.min(this.failedTries + 1, SELF_TESTS_MAX)
    this.failedTries = ok ? 0 : tries
    if (!ok) {
      const waitMs = tries < SELF_TESTS_MAX ? RETRY_MS * tries : LATER_MS * (1 + Math.random() / 2)
      this.timer = setTimeout(() => void this.test(round), waitMs)
      this.timer.unref()
    }
    this.options.done({ atMs: Date.now(), ok, tries, failures })
  }

  private async failureOf({ name, view }: TestedService): Promise<PlanSelfTest['failures'][number] | null> {
    if (view.state === 'backing-off' || view.state === 'failed' || view.state === 'starting') {
      return { name, reason: (view.reason || 'It is still starting.').slice(0, 300) }
    }
    const reason = view.url === null ? null : await this.options.ask(view.url)
    return reason === null ? null : { name, reason: reason.slice(0, 300) }
  }
}

/** The health question of a service with a URL. One that does not know the question yet (an older console) is well when it answers at all. */
export async function askHealth(url: string, localToken: string): Promise<string | null> {
  try {
    const { status, body } = await callJson({
      method: 'GET',
      url: url + SERVICE_HEALTH_PATH,
      headers: { [LOCAL_TOKEN_HEADER]: localToken, connection: 'close' },
      timeoutMs: SILENCE_MAX_MS,
      signal: AbortSignal.timeout(ANSWER_LIMIT_MS),
    })
    if (status === 401 || status >= 500) return `It answered the question for its health with ${status}.`
    const health = ServiceHealth.safeParse(body)
    return status !== 200 || !health.success || health.data.ok ? null : health.data.reason
  } catch (error) {
    return error instanceof Error ? error.message : String(error)
  }
}
