'use client'
import { useEffect, useRef } from 'react'

/** Keys as a person reads them on the map: `k`, `ArrowLeft`, `mod+k`, `?`. */
export type KeyHandlers = Readonly<Record<string, (event: KeyboardEvent) => void>>

const isTyping = (target: EventTarget | null): boolean =>
  target instanceof HTMLElement && (target.isContentEditable || /^(INPUT|TEXTAREA|SELECT)$/.test(target.tagName))

/**
 * Listens on the window while `active`. Nothing happens while a person types in a field, and single letters do nothing while a dialog of
 * another part is open (`scope` names the dialog these keys belong to).
 */
export function useKeys(handlers: KeyHandlers, active = true, scope: 'page' | 'preview' | 'always' = 'page'): void {
  const latest = useRef(handlers)
  useEffect(() => {
    latest.current = handlers
  })
  useEffect(() => {
    if (!active) return undefined
    const onKey = (event: KeyboardEvent): void => {
      const mod = event.metaKey || event.ctrlKey
      const handler = latest.current[`${mod ? 'mod+' : ''}${event.key.length === 1 ? event.key.toLowerCase() : event.key}`]
      if (handler === undefined || event.altKey || (!mod && isTyping(event.target))) return
      if (scope === 'page' && document.querySelector('[role="dialog"], [role="menu"]') !== null) return
      handler(event)
    }
    window.addEventListener('keydown', onKey)
    return () => window.removeEventListener('keydown', onKey)
  }, [active, scope])
}

/** What `?` shows. */
export const KEY_MAP: readonly { heading: string; keys: readonly (readonly [string, string])[] }[] = [
  {
    heading: 'Everywhere',
    keys: [
      ['⌘K', 'Find a page, file, camera, machine or action'],
      ['/', 'Search files'],
      ['G then E M N S', 'Explorer, Monitor, Nodes, Settings'],
      ['?', 'This map'],
    ],
  },
  {
    heading: 'Explorer',
    keys: [
      ['← → ↑ ↓', 'Move'],
      ['Space', 'Open, play, close'],
      ['1–5, 0', 'Rate, take the rating away'],
      ['X', 'Move to trash'],
      ['R', 'Rename'],
      ['D', 'Download'],
    ],
  },
  {
    heading: 'Playing',
    keys: [
      ['J K L', 'Back, pause, forward; again for faster'],
      [', .', 'One frame back, forward'],
      ['I', 'Details'],
      ['Esc', 'Close'],
    ],
  },
]
