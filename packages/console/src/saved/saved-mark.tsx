'use client'
import { useQueryClient } from '@tanstack/react-query'
import { cx } from '@thatdam/ui/cx'
import { Check, CircleDashed } from 'lucide-react'
import { useEffect, useRef, useState } from 'react'
import { useLiveState } from '../state.tsx'
import { hereOnlyReason, newestEdit, savedState, type LastEdit } from './saved-state.tsx'

/** How long “Saved” is seen. */
const SEEN_MS = 2_500

/** A quiet word in the corner after an edit: saved, or saved here only until another machine has it too. */
export function SavedMark() {
  const { state } = useLiveState()
  const edit = useLastEdit(state?.catalog.feedId ?? null)
  const saved = savedState(edit, state)
  const seen = useOver(saved === 'saved' ? edit : null, SEEN_MS)
  return (
    <output className="pointer-events-none fixed right-3 bottom-17 z-50 md:right-4 md:bottom-4">
      {state === null || saved === null || (saved === 'saved' && seen) ? null : (
        <p
          data-testid="saved"
          title={saved === 'here' ? hereOnlyReason(state) : undefined}
          className={cx(
            'pointer-events-auto inline-flex h-7 items-center gap-1.5 rounded-md border border-line-strong bg-raised px-2 text-sm animate-appear',
            saved === 'here' ? 'text-ink' : 'text-ink-soft',
          )}
        >
          {saved === 'here' ? (
            <>
              <CircleDashed className="size-3.5 text-accent-text" aria-hidden /> Saved here only
              <span className="sr-only">. {hereOnlyReason(state)}</span>
            </>
          ) : (
            <>
              <Check className="size-3.5 text-healthy" aria-hidden /> Saved
            </>
          )}
        </p>
      )}
    </output>
  )
}

/** Every change of this page whose answer says where it lies. */
function useLastEdit(feedId: string | null): LastEdit | null {
  const queries = useQueryClient()
  const feed = useRef(feedId)
  const [edit, setEdit] = useState<LastEdit | null>(null)
  useEffect(() => {
    feed.current = feedId
  }, [feedId])
  useEffect(
    () =>
      queries.getMutationCache().subscribe((event) => {
        if (event.type !== 'updated' || event.action.type !== 'success') return
        const saved = event.action.data as Partial<Pick<LastEdit, 'durability' | 'position'>> | null | undefined
        if (saved?.durability === undefined || saved.position === undefined) return
        const { durability, position } = saved
        setEdit((before) => newestEdit(before, { durability, position, feedId: feed.current }))
      }),
    [queries],
  )
  return edit
}

/** True when `ms` went by since `thing` came; null never is over. */
function useOver(thing: object | null, ms: number): boolean {
  const [over, setOver] = useState<object | null>(null)
  useEffect(() => {
    if (thing === null) return undefined
    const timer = setTimeout(() => setOver(thing), ms)
    return () => clearTimeout(timer)
  }, [thing, ms])
  return thing !== null && over === thing
}
