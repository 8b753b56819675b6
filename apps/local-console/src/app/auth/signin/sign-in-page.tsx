'use client'
import { SignIn } from '@thatdam/console/sign-in'

/** Only a path of this console: never another site, whatever the address says. */
function nextPath(): string {
  const next = new URLSearchParams(window.location.search).get('next') ?? '/'
  return /^\/[a-z]*$/.test(next) ? next : '/'
}

export function SignInPage() {
  return <SignIn action="/auth/signin" onSignedIn={() => window.location.assign(nextPath())} />
}
