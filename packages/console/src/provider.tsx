'use client'
import { QueryClientProvider } from '@tanstack/react-query'
import { ToastProvider } from '@thatdam/ui/toast'
import { TooltipProvider } from '@thatdam/ui/tooltip'
import { useMemo, useState, type ReactNode } from 'react'
import { createConsoleClient, createQueryClient, TRPCProvider } from './client.tsx'
import { LAN_LINKS, LinksContext, type ConsoleLinks } from './links.tsx'
import { NavigationContext, type Navigation } from './navigation.tsx'
import { SessionGate } from './session-gate.tsx'
import { StateProvider } from './state.tsx'

export interface ConsoleProviderProps {
  /** Where the routers answer. */
  apiUrl?: string
  links?: ConsoleLinks
  navigation: Navigation
  /** The console of a machine: when it falls silent, the page goes on at the one that leads then. */
  roams?: boolean
  /** An answer said that nobody is signed in; may be called several times. Make sure, then go where one signs in. */
  onSignedOut: () => void
  children: ReactNode
}

/** Once, around all screens. */
export function ConsoleProvider({
  apiUrl = '/trpc',
  links = LAN_LINKS,
  navigation,
  roams = false,
  onSignedOut,
  children,
}: ConsoleProviderProps) {
  const [queryClient] = useState(() => createQueryClient(onSignedOut))
  const [session] = useState(() => new SessionGate())
  const [trpcClient] = useState(() => createConsoleClient(apiUrl, session))
  const here = useMemo<Navigation>(
    () => ({
      ...navigation,
      signOut: () => {
        session.end()
        navigation.signOut()
      },
    }),
    [navigation, session],
  )
  return (
    <LinksContext value={links}>
      <NavigationContext value={here}>
        <QueryClientProvider client={queryClient}>
          <TRPCProvider trpcClient={trpcClient} queryClient={queryClient}>
            <TooltipProvider>
              <ToastProvider>
                <StateProvider onSignedOut={onSignedOut} roams={roams}>
                  {children}
                </StateProvider>
              </ToastProvider>
            </TooltipProvider>
          </TRPCProvider>
        </QueryClientProvider>
      </NavigationContext>
    </LinksContext>
  )
}
