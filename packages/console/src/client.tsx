'use client'
import { QueryClient } from '@tanstack/react-query'
import type { AppRouter } from '@thatdam/api/router'
import { createTRPCClient, httpBatchLink, httpLink, splitLink, TRPCClientError, type TRPCClient } from '@trpc/client'
import { createTRPCContext } from '@trpc/tanstack-react-query'
import type { inferRouterOutputs } from '@trpc/server'
import type { SessionGate } from './session-gate.tsx'

export type Outputs = inferRouterOutputs<AppRouter>
export type Asset = Outputs['asset']['list']['assets'][number]
export type AssetDetail = Outputs['asset']['get']
export type ConsoleState = Outputs['state']['get']
export type AgentState = NonNullable<ConsoleState['agent']>
export type ConsoleClient = TRPCClient<AppRouter>

export const { TRPCProvider, useTRPC, useTRPCClient } = createTRPCContext<AppRouter>()

/** `url`: where the routers answer, `/trpc` on a machine's own console. The held state question goes alone, so that it holds up nothing. */
export function createConsoleClient(url: string, { ask, change }: SessionGate): ConsoleClient {
  return createTRPCClient<AppRouter>({
    links: [
      splitLink({
        condition: (op) => op.path === 'owner.setPassword',
        true: httpLink({ url, fetch: change }),
        false: splitLink({
          condition: (op) => op.path === 'state.get',
          true: httpLink({ url, fetch: ask }),
          false: httpBatchLink({ url, fetch: ask, maxURLLength: 4_000, maxItems: 16 }),
        }),
      }),
    ],
  })
}

export function createQueryClient(onSignedOut: () => void): QueryClient {
  const client = new QueryClient({
    defaultOptions: {
      queries: {
        staleTime: 5_000,
        retry: (count, error) => count < 3 && canRetry(error),
        refetchOnWindowFocus: false,
      },
    },
  })
  client.getQueryCache().subscribe((event) => {
    if (event.type === 'updated' && event.action.type === 'error' && isSignedOut(event.action.error)) onSignedOut()
  })
  return client
}

export function isSignedOut(error: unknown): boolean {
  return error instanceof TRPCClientError && (error.data as { httpStatus?: number } | null)?.httpStatus === 401
}

function canRetry(error: unknown): boolean {
  if (!(error instanceof TRPCClientError)) return false
  const data = error.data as { httpStatus?: number; thatdam?: { retry?: boolean } } | null
  return data === null || data === undefined || data.thatdam?.retry === true
}

/** The sentence of an error that a person may read. */
export function sentenceOf(error: unknown): string {
  if (error instanceof TRPCClientError) {
    if (error.data !== null && error.data !== undefined) return error.message
    return 'The console does not answer. Check that the machine is on and in this network, then try again.'
  }
  return error instanceof Error ? error.message : String(error)
}
