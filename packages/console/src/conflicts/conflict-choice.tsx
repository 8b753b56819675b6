'use client'
import { Button } from '@thatdam/ui/button'
import { Check } from 'lucide-react'
import type { AgentState, Outputs } from '../client.tsx'
import { dateTime } from '../format.tsx'
import { useLiveState } from '../state.tsx'
import { fieldWords, valueWords } from './conflict-words.tsx'

export type Conflict = Outputs['asset']['conflicts'][number]
type Value = Conflict['shown']

export interface ConflictChoiceProps {
  conflicts: readonly Conflict[]
  /** Op of the value that is being chosen now; null: none. */
  choosing: string | null
  onChoose: (field: string, opId: string) => void
}

/** While machines were apart, a field was changed on both sides: both values, who and when, and one to choose. */
export function ConflictChoice({ conflicts, choosing, onChoose }: ConflictChoiceProps) {
  const members = useLiveState().state?.agent?.members ?? []
  return (
    <>
      {conflicts.map(({ field, shown, others }) => (
        <section
          key={field}
          aria-label={`${fieldWords(field)}: choose one`}
          className="flex flex-col gap-2 rounded-md border border-line-strong bg-raised p-3"
        >
          <p className="text-base text-ink">
            <span className="font-semibold">{fieldWords(field)}</span> was changed on machines that were apart. Which shall it be?
          </p>
          <ul className="flex flex-col gap-1.5">
            {[shown, ...others].map((value) => (
              <li key={value.opId} className="flex items-center gap-3">
                <span className="min-w-0 flex-1">
                  <span className="block text-base [overflow-wrap:anywhere] text-ink">{valueWords(field, value.value)}</span>
                  <span className="block text-sm text-ink-faint">
                    {nameOf(members, value)}, {dateTime(value.atMs, null)}
                    {value === shown ? ' · shown now' : ''}
                  </span>
                </span>
                <Button
                  size="sm"
                  busy={choosing === value.opId}
                  disabled={choosing !== null}
                  onClick={() => onChoose(field, value.opId)}
                  aria-label={`Choose ${valueWords(field, value.value)}`}
                >
                  <Check className="size-3.5" aria-hidden /> Choose
                </Button>
              </li>
            ))}
          </ul>
        </section>
      ))}
    </>
  )
}

const nameOf = (members: AgentState['members'], { nodeId }: Value): string => members.find((one) => one.nodeId === nodeId)?.name ?? nodeId
