'use client'
import { useMutation, useQuery, useQueryClient } from '@tanstack/react-query'
import { Button } from '@thatdam/ui/button'
import { useToast } from '@thatdam/ui/toast'
import { useTRPC } from '../client.tsx'
import { age, count, span } from '../format.tsx'
import { useShowError } from '../query.tsx'
import { useNow } from '../state.tsx'

/** How often the list is asked for while it is seen: a machine that came uses one up. */
const REFRESH_MS = 5_000

/** Commands that were made and may still be used. */
export function OpenTokens() {
  const trpc = useTRPC()
  const queries = useQueryClient()
  const toast = useToast()
  const showError = useShowError()
  const now = useNow(1_000)
  const tokens = useQuery(trpc.ring.tokens.queryOptions(undefined, { refetchInterval: REFRESH_MS }))
  const revoke = useMutation(
    trpc.ring.revokeToken.mutationOptions({
      onError: showError,
      onSuccess: () => {
        toast({ text: 'That command brings nobody in any more.' })
        void queries.invalidateQueries({ queryKey: trpc.ring.tokens.queryKey() })
      },
    }),
  )
  const open = tokens.data?.filter((token) => token.expiresAtMs > now) ?? []
  if (open.length === 0) return null
  return (
    <section aria-label="Open commands" className="flex flex-col gap-1 border-t border-line pt-4">
      <h3 className="text-base font-semibold">Open commands</h3>
      <ul className="flex flex-col">
        {open.map(({ id, machines, used, madeAtMs, expiresAtMs }) => (
          <li key={id} className="flex min-h-10 items-center gap-3 text-base">
            <span className="min-w-0 flex-1">
              Made {age(madeAtMs, now)} <span className="text-ink-soft">· {span((expiresAtMs - now) / 1000)} left</span>{' '}
              <span className="text-ink-soft">
                · {used === 0 ? `good for ${count(machines, 'machine', 'machines')}` : `${used} of ${machines} used`}
              </span>
            </span>
            <Button size="sm" busy={revoke.isPending && revoke.variables.id === id} onClick={() => revoke.mutate({ id })}>
              Withdraw
            </Button>
          </li>
        ))}
      </ul>
    </section>
  )
}
