'use client'
import { useQueryClient } from '@tanstack/react-query'
import { createContext, useContext, useEffect, useMemo, useState, type ReactNode } from 'react'
import { useRoam } from './roam/use-roam.tsx'
import type { Roaming } from './roam/roamer.tsx'
import { isSignedOut, useTRPC, useTRPCClient, type ConsoleState } from './client.tsx'

const RETRY_MS_MIN = 500
const RETRY_MS_MAX = 8_000
/** Lists are asked for again at most this often while files come in. */
const LIST_REFRESH_MS = 1_500

export interface LiveState {
  state: ConsoleState | null
  /** The console answered the last question. */
  connected: boolean
  /** The machine that this page was opened at does not answer, or leads no longer. */
  roaming: Roaming
}

const StateContext = createContext<LiveState>({ state: null, connected: true, roaming: null })
export const useLiveState = (): LiveState => useContext(StateContext)

/** Asks for the machine's state, held until there is news, as long as the page is open; lists follow what it says. */
export interface StateProviderProps {
  children: ReactNode
  onSignedOut: () => void
  /** Goes on at another machine when this one falls silent. */
  roams: boolean
}

export function StateProvider({ children, onSignedOut, roams }: StateProviderProps) {
  const client = useTRPCClient()
  const [live, setLive] = useState<Omit<LiveState, 'roaming'>>({ state: null, connected: true })
  useEffect(() => {
    const gone = new AbortController()
    const run = async (): Promise<void> => {
      let after: string | null = null
      let pauseMs = RETRY_MS_MIN
      while (!gone.signal.aborted) {
        try {
          const state: ConsoleState = await client.state.get.query({ after }, { signal: gone.signal })
          after = state.cursor
          pauseMs = RETRY_MS_MIN
          setLive({ state, connected: true })
        } catch (error) {
          if (gone.signal.aborted) return
          after = null
          if (isSignedOut(error)) onSignedOut()
          else setLive((before) => ({ ...before, connected: false }))
          await new Promise((resolve) => setTimeout(resolve, pauseMs * (0.75 + Math.random() / 2)))
          pauseMs = Math.min(RETRY_MS_MAX, pauseMs * 2)
        }
      }
    }
    void run()
    return () => gone.abort()
  }, [client, onSignedOut])
  useListRefresh(live.state)
  const roaming = useRoam(roams, live.state, live.connected)
  const value = useMemo(() => ({ ...live, roaming }), [live, roaming])
  return <StateContext value={value}>{children}</StateContext>
}

function useListRefresh(state: ConsoleState | null): void {
  const queries = useQueryClient()
  const trpc = useTRPC()
  const at = state === null ? '' : `${state.catalog.feedId} ${state.catalog.position}`
  const [seen, setSeen] = useState(at)
  useEffect(() => {
    if (at === seen) return undefined
    const timer = setTimeout(
      () => {
        setSeen(at)
        for (const queryKey of [trpc.asset.pathKey(), trpc.camera.pathKey(), trpc.node.conflicts.pathKey()]) {
          void queries.invalidateQueries({ queryKey })
        }
      },
      seen === '' ? 0 : LIST_REFRESH_MS,
    )
    return () => clearTimeout(timer)
  }, [at, seen, queries, trpc])
}

/** Now, for ages and elapsed times; a new one each `everyMs`. */
export function useNow(everyMs: number): number {
  const [now, setNow] = useState(() => Date.now())
  useEffect(() => {
    const timer = setInterval(() => setNow(Date.now()), everyMs)
    return () => clearInterval(timer)
  }, [everyMs])
  return now
}
