import { pathToFileURL } from 'node:url'
import { runtimeEntry } from '../../program.ts'
import { deferredLife } from '../deferred-life.ts'
import type { Runtime } from '../runtime.ts'
import type { Engine } from './engine.ts'
import type { DockerOptions } from './wire.ts'

/*
 * Services as containers. Messages go over the container's own standard streams (stdio-channel.ts has why): no port, no file, and their
 * end tells a container that its agent is gone, as the IPC channel's end does for a child process.
 *
 * What speaks to the engine is a file of its own, loaded when the first service starts: an agent that runs `exec` never carries it.
 */
export function dockerRuntime(options: DockerOptions): Runtime {
  let engine: Promise<Engine> | null = null
  const loaded = (): Promise<Engine> => {
    engine ??= loadEngine(options)
    return engine
  }
  return {
    name: 'docker',
    launch: (request) =>
      deferredLife(
        loaded().then((one) => (inner) => one.launch(inner)),
        request,
      ),
    quotas: (quotas) => {
      // Containers that come later take it from their plan.
      engine?.then(
        (one) => one.quotas(quotas),
        () => {},
      )
    },
    close: async () => {
      const one = await engine?.catch(() => null)
      await one?.close()
    },
  }
}

async function loadEngine(options: DockerOptions): Promise<Engine> {
  const { openEngine } = (await import(pathToFileURL(runtimeEntry('docker', 'engine')).href)) as typeof import('./engine.ts')
  return openEngine(options)
}
