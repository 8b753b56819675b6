'use client'
import { useCallback, useSyncExternalStore } from 'react'

const NODE = 'node='
const CHANGED = 'thatdam:nodes-address'

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
const read = (): string => window.location.hash.slice(1)

export interface NodesAddress {
  /** The machine that is shown; null: none was chosen. */
  nodeId: string | null
  /** A machine is being added. */
  adds: boolean
  choose: (nodeId: string) => void
  setAdds: (adds: boolean) => void
}

/** What the page shows lies in its address, so that the palette and a copied address open it. */
export function useNodesAddress(): NodesAddress {
  const hash = useSyncExternalStore(subscribe, read, () => '')
  const go = useCallback((next: string) => {
    window.history.replaceState(window.history.state, '', next === '' ? window.location.pathname : `#${next}`)
    window.dispatchEvent(new Event(CHANGED))
  }, [])
  const choose = useCallback((nodeId: string) => go(NODE + nodeId), [go])
  const setAdds = useCallback((adds: boolean) => go(adds ? 'add' : ''), [go])
  return { nodeId: hash.startsWith(NODE) ? hash.slice(NODE.length) : null, adds: hash === 'add', choose, setAdds }
}
