'use client'
import { PATHS, type Navigation, type PageName } from '@thatdam/console/navigation'
import { ConsoleProvider } from '@thatdam/console/provider'
import { Shell } from '@thatdam/console/shell/shell'
import { usePathname, useRouter } from 'next/navigation'
import { useCallback, useMemo, type ReactNode } from 'react'

const pageOf = (path: string): PageName =>
  (Object.entries(PATHS) as [PageName, string][]).find(([, prefix]) => prefix !== '/' && path.startsWith(prefix))?.[0] ?? 'explorer'

/** Time for an answer that is under way to bring a new session, as when a password was set. */
const SESSION_SETTLE_MS = 1_500
let checking = false

/** Goes to the sign-in page once it is sure that there is no session. */
async function checkSession(): Promise<void> {
  if (checking) return
  checking = true
  await new Promise((resolve) => setTimeout(resolve, SESSION_SETTLE_MS))
  try {
    const response = await fetch('/trpc/session.get', { cache: 'no-store' })
    const body = (await response.json()) as { result?: { data?: unknown } }
    if (response.ok && body.result?.data === null) {
      window.location.assign(`/auth/signin?next=${encodeURIComponent(window.location.pathname)}`)
      return
    }
  } catch {
    // The console is away: whoever asks next finds out.
  }
  checking = false
}

async function signOut(): Promise<void> {
  await fetch('/auth/signout', { method: 'POST', headers: { 'content-type': 'application/json' }, body: '{}' }).catch(() => undefined)
  window.location.assign('/auth/signin')
}

/** The shared screens with this app's router around them. */
export function ConsoleFrame({ children }: { children: ReactNode }) {
  const router = useRouter()
  const path = usePathname()
  const onSignedOut = useCallback(() => void checkSession(), [])
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
    <ConsoleProvider navigation={navigation} roams onSignedOut={onSignedOut}>
      <Shell>{children}</Shell>
    </ConsoleProvider>
  )
}
