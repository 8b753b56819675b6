import Docker from 'dockerode'
import type { ServiceConfig } from '@thatdam/protocol/local'
import type { Quotas } from '@thatdam/protocol/plan'
import type { Life, LifeRequest } from '../runtime.ts'
import { AGENT_LABEL, backgroundNanoCpus } from './container-spec.ts'
import { ContainerLife } from './container.ts'
import { ignoreStatus, statusOf, Unavailable, type DockerOptions, type EnginePort } from './wire.ts'

const CALL_LIMIT_MS = 30_000
const LEFTOVER_GRACE_SECONDS = 10

/** The connection to one Docker engine: what was left is ended once, images are had, lives are begun. */
export class Engine implements EnginePort {
  readonly options: DockerOptions
  readonly calls: Docker
  readonly lasting: Docker
  private readonly background = new Set<ContainerLife>()
  private swept: Promise<void> | null = null
  private pulling: Promise<void> | null = null

  constructor(options: DockerOptions) {
    this.options = options
    this.calls = new Docker({ socketPath: options.socketPath, timeout: CALL_LIMIT_MS })
    this.lasting = new Docker({ socketPath: options.socketPath })
  }

  launch(request: LifeRequest): Life {
    const config = insideImage(request.config)
    const life = new ContainerLife(this, {
      ...request,
      config,
      onEnd: (end) => {
        this.background.delete(life)
        request.onEnd(end)
      },
    })
    if (life.isBackground) this.background.add(life)
    return life
  }

  quotas(quotas: Quotas): void {
    for (const life of this.background) {
      const { plan } = life.request.context
      life
        .limitTo(backgroundNanoCpus({ ...plan, quotas }))
        .catch((error: unknown) => this.options.log('a container’s share of the processor could not be changed', error))
    }
  }

  async close(): Promise<void> {
    await this.swept?.catch(() => {})
  }

  async prepare(onNote: (sentence: string) => void): Promise<void> {
    this.swept ??= this.endLeftovers()
    try {
      await this.swept
    } catch (error) {
      this.swept = null
      throw this.away(error)
    }
    await this.haveImage(onNote)
  }

  away(error: unknown): Unavailable {
    const { socketPath } = this.options
    const why = (error as NodeJS.ErrnoException).code ?? (error instanceof Error ? error.message : String(error))
    return new Unavailable(`The Docker engine does not answer at ${socketPath} (${why}). Start it, or set RUNTIME to exec.`)
  }

  private async endLeftovers(): Promise<void> {
    const filters = { label: [`${AGENT_LABEL}=${this.options.agentLabel}`] }
    const left = await this.calls.listContainers({ all: true, filters })
    await Promise.all(left.map(async ({ Id }) => await this.endLeftover(Id)))
    if (left.length > 0) this.options.log(`ended ${left.length} container(s) that the agent before had left`)
  }

  private async endLeftover(id: string): Promise<void> {
    const container = this.lasting.getContainer(id)
    // Its input ended with the agent before, so that it is about to stop by itself.
    await container.stop({ t: LEFTOVER_GRACE_SECONDS }).catch(ignoreStatus(304, 404))
    await container.remove({ force: true, v: true }).catch(ignoreStatus(404, 409))
  }

  private async haveImage(onNote: (sentence: string) => void): Promise<void> {
    const { image } = this.options
    try {
      await this.calls.getImage(image).inspect()
      return
    } catch (error) {
      if (statusOf(error) !== 404) throw this.away(error)
    }
    onNote(`Fetches the container image ${image}.`)
    // One pull for all services that wait for it.
    this.pulling ??= this.pull().finally(() => (this.pulling = null))
    await this.pulling
  }

  private async pull(): Promise<void> {
    const { image } = this.options
    try {
      // Without a tag the engine would fetch all there are.
      const stream = await this.lasting.pull(/[:@][^/]*$/.test(image) ? image : `${image}:latest`)
      await new Promise<void>((resolve, reject) => {
        this.lasting.modem.followProgress(stream, (error: Error | null) => (error ? reject(error) : resolve()))
      })
    } catch (error) {
      const why = error instanceof Error ? error.message : String(error)
      throw new Unavailable(
        `The container image ${image} is not on this machine and cannot be fetched (${why.slice(0, 200)}). Build it as docs/runtimes.md says, or set RUNTIME_IMAGE.`,
      )
    }
  }
}

export function openEngine(options: DockerOptions): Engine {
  return new Engine(options)
}

/** Tools are the image's own. */
function insideImage(config: ServiceConfig): ServiceConfig {
  return {
    ...config,
    ffmpegPath: config.ffmpegPath === null ? null : 'ffmpeg',
    ffprobePath: config.ffprobePath === null ? null : 'ffprobe',
  }
}
