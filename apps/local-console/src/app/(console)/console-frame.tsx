'use client'
import { PATHS, type Navigation, type PageName } from '@thatdam/console/navigation'
import { ConsoleProvider } from '@thatdam/console/provider'
import { Shell } from '@thatdam/console/shell/shell'
import { usePathname, useRouter } from 'next/navigation'
import { useCallback, useMemo, type ReactNode } from 'react'

const pageOf = (path: string): PageName =>
  (Object.entries(PATHS) as [PageName, string][]).find(([, prefix]) => prefix !== '/' && path.startsWith(prefix))?.[0] ?? 'explorer'

function toSignIn(): void {
  window.location.assign(`/auth/signin?next=${encodeURIComponent(window.location.pathname)}`)
}

async function signOut(): Promise<void> {
  await fetch('/auth/signout', { method: 'POST', headers: { 'content-type': 'application/json' }, body: '{}' }).catch(() => undefined)
  window.location.assign('/auth/signin')
}

/** The shared screens with this app's router around them. */
export function ConsoleFrame({ children }: { children: ReactNode }) {
  const router = useRouter()
  const path = usePathname()
  const onSignedOut = useCallback(() => toSignIn(), [])
  const navigation = useMemo<Navigation>(
    () => ({
      page: pageOf(path),
      href: (page) => PATHS[page],
      go: (href) => router.push(href),
      signOut: () => void signOut(),
    }),
    [path, router],
  )
  return (
    <ConsoleProvider navigation={navigation} onSignedOut={onSignedOut}>
      <Shell>{children}</Shell>
    </ConsoleProvider>
  )
}
