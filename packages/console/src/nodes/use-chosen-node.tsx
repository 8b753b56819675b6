'use client'
import { useCallback, useSyncExternalStore } from 'react'

const PREFIX = '#node='
const CHANGED = 'thatdam:chosen-node'

function subscribe(handler: () => void): () => void {
  window.addEventListener('hashchange', handler)
  window.addEventListener('popstate', handler)
  window.addEventListener(CHANGED, handler)
  return () => {
    window.removeEventListener('hashchange', handler)
    window.removeEventListener('popstate', handler)
    window.removeEventListener(CHANGED, handler)
  }
}
const read = (): string | null => (window.location.hash.startsWith(PREFIX) ? window.location.hash.slice(PREFIX.length) : null)

/** The machine that is shown lies in the address, so that the palette and a copied address open it. */
export function useChosenNode(): [string | null, (nodeId: string) => void] {
  const chosen = useSyncExternalStore(subscribe, read, () => null)
  const choose = useCallback((nodeId: string) => {
    window.history.replaceState(window.history.state, '', PREFIX + nodeId)
    window.dispatchEvent(new Event(CHANGED))
  }, [])
  return [chosen, choose]
}
