'use client'
import { Button } from '@thatdam/ui/button'
import { useState } from 'react'
import { plural } from '../domain/plural.ts'
import type { OpenToken } from '../domain/tokens.ts'
import { call } from '../web/call.ts'
import { ConfirmDialog } from './confirm-dialog.tsx'
import { usePolled } from './use-polled.ts'
import { ageText, agoText } from './words.ts'

const EVERY_MS = 2_000

/** Commands that still add machines, wherever they were copied to. */
export function OpenTokens({ first }: { first: OpenToken[] }) {
  const { value, set } = usePolled('/api/tokens', { tokens: first }, EVERY_MS)
  const [asked, setAsked] = useState<OpenToken | null>(null)
  if (value.tokens.length === 0) return null
  return (
    <section className="flex flex-col gap-3 border-t border-line pt-4">
      <h2 className="text-lg font-medium">Commands that still work</h2>
      <ul className="flex flex-col">
        {value.tokens.map((token) => (
          <li
            key={token.id}
            data-testid="open-token"
            className="flex items-center justify-between gap-4 border-b border-line py-2 last:border-0"
          >
            <div className="min-w-0">
              <p className="text-base">
                Good for {plural(token.usesLeft, token.usesLeft < token.machines ? 'more machine' : 'machine')}, expires in{' '}
                {ageText(token.expiresInMs)}
              </p>
              <p className="text-base text-ink-faint [overflow-wrap:anywhere]">
                Made {agoText(token.madeAgoMs)} by {token.madeBy}
              </p>
            </div>
            <Button size="sm" onClick={() => setAsked(token)}>
              Revoke…
            </Button>
          </li>
        ))}
      </ul>
      {asked === null ? null : (
        <ConfirmDialog
          open
          onOpenChange={() => setAsked(null)}
          title="Revoke this command?"
          confirm="Revoke"
          run={() => call('DELETE', `/api/tokens/${asked.id}`)}
          onDone={() => {
            set({ tokens: value.tokens.filter((token) => token.id !== asked.id) })
            setAsked(null)
          }}
        >
          Made {agoText(asked.madeAgoMs)}. Nobody can add a machine with it from then on; those that joined stay.
        </ConfirmDialog>
      )}
    </section>
  )
}
