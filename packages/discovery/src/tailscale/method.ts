import { execFile } from 'node:child_process'
import { ThatdamError } from '@thatdam/protocol/errors'
import type { DiscoveryMethod, MethodContext } from '../method.ts'
import { FoundListeners } from '../method.ts'
import { resolveHost } from '../resolve.ts'
import { repeat } from '../timing.ts'
import { type TailscaleStatus, parseTailscaleStatus } from './status.ts'

export interface Options extends MethodContext {
  /** Command names or paths, tried in turn. */
  readonly executables: readonly string[]
  /** UDP port that the ring's nodes listen on. */
  readonly nodePort: number
}

/** Where Tailscale's command is: on PATH, where Homebrew and its own package put it (launchd's PATH has neither), or inside the app on a Mac. */
export const EXECUTABLES: readonly string[] = [
  'tailscale',
  '/opt/homebrew/bin/tailscale',
  '/usr/local/bin/tailscale',
  '/Applications/Tailscale.app/Contents/MacOS/Tailscale',
]
const OUTPUT_BYTES_MAX = 4 << 20
/** Starting a program is dear: a network of this kind changes seldom. */
const EVERY_MS = 60_000

/** Calls on the machines of the owner's tailnet, by address and by MagicDNS name. */
export function create(options: Options): DiscoveryMethod {
  const found = new FoundListeners()
  let executable: string | null = null
  let quiet: (() => void) | null = null
  let endings: (() => void)[] = []
  let busy = false

  const callOn = async (status: TailscaleStatus) => {
    for (const { name, addresses } of status.peers) {
      // The name helps where the address just changed; asking for it costs nothing while it resolves to the same.
      const named = name === null ? [] : await resolveHost(name)
      for (const address of new Set([...addresses, ...named])) options.caller.probe('tailscale', { address, port: options.nodePort })
    }
  }
  const round = async () => {
    if (executable === null || busy) return
    busy = true
    try {
      const status = await readStatus(executable)
      if (status !== null && quiet) await callOn(status)
    } finally {
      busy = false
    }
  }

  const begin = () => {
    quiet?.()
    quiet = repeat(() => void round(), [0, 2_000], EVERY_MS)
  }

  return {
    name: 'tailscale',
    onFound: found.add,
    start: async () => {
      executable = null
      for (const candidate of options.executables) {
        const status = await readStatus(candidate)
        if (status === null) continue
        if (status.state !== 'Running')
          throw new ThatdamError(
            'UNAVAILABLE',
            `Tailscale is installed but says "${status.state.slice(0, 40)}". Start it and sign in to find machines through it.`,
          )
        executable = candidate
        break
      }
      if (executable === null) throw new ThatdamError('UNAVAILABLE', 'Tailscale is not installed here, so nobody is looked for through it.')
      endings = [options.caller.onFound((one) => one.method === 'tailscale' && found.tell(one)), options.network.onChange(begin)]
      begin()
    },
    stop: async () => {
      for (const end of endings) end()
      endings = []
      quiet?.()
      quiet = null
    },
    announce: () => {
      if (quiet) void round()
    },
  }
}

/** Null when the command is not there, fails, takes longer than 5 s, or prints something else. */
function readStatus(executable: string): Promise<TailscaleStatus | null> {
  return new Promise((resolve) => {
    execFile(
      executable,
      ['status', '--json'],
      { timeout: 5_000, killSignal: 'SIGKILL', maxBuffer: OUTPUT_BYTES_MAX, windowsHide: true },
      (_error, stdout) => resolve(parseTailscaleStatus(stdout)),
    )
  })
}
