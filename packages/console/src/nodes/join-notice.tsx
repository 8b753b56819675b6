'use client'
import { Banner } from '@thatdam/ui/banner'
import { Button } from '@thatdam/ui/button'
import { useState } from 'react'
import { useLiveState } from '../state.tsx'
import { AdoptionDialog, isOpenAdoption } from './adoption-dialog.tsx'

/** On a machine that belongs to nobody: somebody lets it into a ring, and its code is to be compared here too. Opens by itself, once. */
export function JoinNotice() {
  const agent = useLiveState().state?.agent ?? null
  const [closedId, setClosedId] = useState<string | null>(null)
  const [shownId, setShownId] = useState<string | null>(null)
  const outgoing = agent?.adoptions.filter((adoption) => adoption.direction === 'out') ?? []
  const open = outgoing.find((adoption) => isOpenAdoption(adoption))
  // Set while drawing: an adoption that came opens its dialog, which then stays to tell how it ended.
  if (open !== undefined && shownId !== open.id && closedId !== open.id) setShownId(open.id)
  const shown = outgoing.find((adoption) => adoption.id === shownId)
  return (
    <>
      {open !== undefined && shown === undefined ? (
        <div className="px-3 pt-3 md:px-4">
          <Banner
            tone="warning"
            action={
              <Button size="sm" variant="primary" onClick={() => setClosedId(null)}>
                Compare the code
              </Button>
            }
          >
            {open.nodeId} wants to let this machine into its ring.
          </Banner>
        </div>
      ) : null}
      {shown === undefined || agent === null ? null : (
        <AdoptionDialog
          adoption={shown}
          here={agent.settings.name}
          onClose={() => {
            setClosedId(shown.id)
            setShownId(null)
          }}
        />
      )}
    </>
  )
}
