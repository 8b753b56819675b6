'use client'
import { useCallback, useSyncExternalStore } from 'react'

const PREFIX = '#asset='
const CHANGED = 'thatdam:open-asset'

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

/** The file that is open lies in the address: the back button closes it, a copied address opens it. `replace` while paging through. */
export function useOpenAsset(): [string | null, (id: string | null, replace?: boolean) => void] {
  const id = useSyncExternalStore(subscribe, read, () => null)
  const set = useCallback((next: string | null, replace = false) => {
    const url = next === null ? window.location.pathname + window.location.search : PREFIX + next
    if (next === null || replace) window.history.replaceState(window.history.state, '', url)
    else window.history.pushState(window.history.state, '', url)
    window.dispatchEvent(new Event(CHANGED))
  }, [])
  return [id, set]
}
