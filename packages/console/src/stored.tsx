'use client'
import { useCallback, useSyncExternalStore } from 'react'

const CHANGED = 'thatdam:stored'

function subscribe(handler: () => void): () => void {
  window.addEventListener(CHANGED, handler)
  window.addEventListener('storage', handler)
  return () => {
    window.removeEventListener(CHANGED, handler)
    window.removeEventListener('storage', handler)
  }
}

/** A wish of this browser, kept in it: one of `choices`, the first one by default. The server draws the first one. */
export function useStored<T extends string>(key: string, choices: readonly [T, ...T[]]): [T, (value: T) => void] {
  const [first] = choices
  const read = useCallback((): T => choices.find((choice) => choice === window.localStorage.getItem(key)) ?? first, [key, choices, first])
  const value = useSyncExternalStore(subscribe, read, () => first)
  const set = useCallback(
    (next: T) => {
      window.localStorage.setItem(key, next)
      window.dispatchEvent(new Event(CHANGED))
    },
    [key],
  )
  return [value, set]
}
