import type { Life, LifeRequest } from './runtime.ts'

/** A life whose beginning waits for something (a file to load, a look at the machine). `ready` may fail: that ends the life as unavailable. */
export function deferredLife(ready: Promise<(request: LifeRequest) => Life>, request: LifeRequest): Life {
  let stopped = false
  const life = ready.then((launch) => {
    if (stopped) throw new Error('it was stopped before it began')
    return launch(request)
  })
  life.catch((error: unknown) => {
    const unavailable = error instanceof Error ? error.message : String(error)
    request.onEnd({ code: null, signal: null, overMemory: false, lastLine: '', unavailable })
  })
  return {
    send: (message) => void life.then((one) => one.send(message), toldByOnEnd),
    command: async (command, params) => await (await life).command(command, params),
    stop: async (limitMs) => {
      stopped = true
      const one = await life.catch(toldByOnEnd)
      await one?.stop(limitMs)
    },
  }
}

const toldByOnEnd = (): null => null
