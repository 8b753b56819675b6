'use client'
import { Button } from '@thatdam/ui/button'
import { useState } from 'react'
import { call, signOut } from '../web/call.ts'

export function SignOutButton() {
  const [busy, setBusy] = useState(false)
  return (
    <Button
      variant="quiet"
      busy={busy}
      onClick={() => {
        setBusy(true)
        void signOut()
      }}
    >
      Sign out
    </Button>
  )
}

export function SignOutEverywhereButton() {
  const [busy, setBusy] = useState(false)
  return (
    <Button
      busy={busy}
      onClick={() => {
        setBusy(true)
        void call('POST', '/api/sign-out-everywhere', {}).then(() => window.location.assign('/sign-in'))
      }}
    >
      Sign out everywhere
    </Button>
  )
}
