'use client'
import { useEffect, useRef, useState } from 'react'
import { useTRPCClient, type ConsoleClient, type ConsoleState } from '../client.tsx'
import { isRingName, samePageAt, type KnownRing } from './next-leader.tsx'
import { roam, ROAM_PACE, type Roaming } from './roamer.tsx'

/** A new ticket when half of one's life is over, and not more often than this. */
const TICKET_MS_MIN = 15_000
const TICKET_MS_MAX = 3_600_000
const TICKET_RETRY_MS = 60_000
/** While there is nobody to go to. */
const ALONE_MS = 5_000
/** Time to read where the page goes before it goes. */
const READ_MS = 700

interface Held {
  ring: KnownRing | null
  connected: boolean
  ticket: { ticket: string; expiresAtMs: number } | null
}

/** A tab that was open goes on by itself when another machine leads. Returns what is to be said about it. */
export function useRoam(enabled: boolean, state: ConsoleState | null, connected: boolean): Roaming {
  const client = useTRPCClient()
  const [roaming, setRoaming] = useState<Roaming>(null)
  const held = useRef<Held>({ ring: null, connected: true, ticket: null })
  useEffect(() => {
    if (state?.agent) held.current.ring = ringOf(state.agent)
    held.current.connected = connected
  }, [state, connected])
  useEffect(() => {
    if (!enabled) return undefined
    const gone = new AbortController()
    const ports = {
      ring: () => held.current.ring,
      connected: () => held.current.connected,
      home: window.location.origin,
      stays: isRingName(window.location.hostname),
      show: (next: Roaming) => setRoaming((before) => (JSON.stringify(before) === JSON.stringify(next) ? before : next)),
      go: (url: string) => {
        const { ticket } = held.current
        const usable = ticket !== null && ticket.expiresAtMs > Date.now() ? ticket.ticket : null
        setTimeout(() => window.location.replace(samePageAt(url, window.location, usable)), READ_MS)
      },
      pace: ROAM_PACE,
      nowMs: () => performance.now(),
    }
    void roam(ports, gone.signal)
    void keepTicket(client, held.current, gone.signal)
    return () => gone.abort()
  }, [enabled, client])
  return roaming
}

type Agent = NonNullable<ConsoleState['agent']>

function ringOf({ node, settings, members, owner }: Agent): KnownRing {
  return {
    fingerprint: node.fingerprint,
    here: { nodeId: node.nodeId, name: settings.name },
    // Without a password each console is for its own machine alone: there is nowhere to go.
    others: (owner.passwordSet ? members : []).flatMap(({ nodeId, name, self, consoleUrl }) =>
      self || consoleUrl === null ? [] : [{ nodeId, name, url: consoleUrl.replace(/\/+$/, '') }],
    ),
  }
}

/** Fetched while the machine still answers: afterwards it is too late. */
async function keepTicket(client: ConsoleClient, held: Held, signal: AbortSignal): Promise<void> {
  while (!signal.aborted) {
    const isAlone = (held.ring?.others.length ?? 0) === 0
    const next = isAlone ? null : await client.session.ticket.mutate(undefined, { signal }).catch(() => null)
    if (next !== null) held.ticket = next
    const withoutMs = isAlone ? ALONE_MS : TICKET_RETRY_MS
    const halfLifeMs = next === null ? withoutMs : (next.expiresAtMs - Date.now()) / 2
    const pauseMs = Math.min(TICKET_MS_MAX, Math.max(next === null ? withoutMs : TICKET_MS_MIN, halfLifeMs))
    await new Promise<void>((resolve) => {
      const timer = setTimeout(resolve, pauseMs)
      signal.addEventListener('abort', () => (clearTimeout(timer), resolve()), { once: true })
    })
  }
}
