'use client'
import { Button } from '@thatdam/ui/button'
import { Field } from '@thatdam/ui/field'
import { Input } from '@thatdam/ui/input'
import { RingMark } from '@thatdam/ui/ring'
import { useState } from 'react'

export interface SignInProps {
  /** Where the password is sent as JSON. */
  action: string
  onSignedIn: () => void
}

/** The owner's password, and what to do without it. */
export function SignIn({ action, onSignedIn }: SignInProps) {
  const [password, setPassword] = useState('')
  const [error, setError] = useState<string | null>(null)
  const [busy, setBusy] = useState(false)
  const submit = async (): Promise<void> => {
    setBusy(true)
    setError(null)
    try {
      const response = await fetch(action, {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify({ password }),
      })
      if (response.ok) {
        onSignedIn()
        return
      }
      const body = (await response.json().catch(() => null)) as { error?: { message?: string } } | null
      setError(body?.error?.message ?? 'The console did not take it. Try again in a moment.')
    } catch {
      setError('The console does not answer. Check that the machine is on and in this network, then try again.')
    }
    setBusy(false)
  }
  return (
    <main className="mx-auto flex min-h-dvh w-full max-w-[360px] flex-col justify-center gap-6 px-4 pb-24">
      <RingMark className="size-10 text-ink" />
      <div className="flex flex-col gap-1">
        <h1 className="text-2xl font-semibold">Open the console</h1>
        <p className="text-lg text-ink-soft">With the owner’s password of this machine.</p>
      </div>
      <form
        className="flex flex-col gap-4"
        onSubmit={(event) => {
          event.preventDefault()
          void submit()
        }}
      >
        <input type="text" name="username" autoComplete="username" value="owner" readOnly hidden />
        <Field label="Password" error={error}>
          <Input
            type="password"
            name="password"
            autoComplete="current-password"
            // oxlint-disable-next-line jsx-a11y/no-autofocus -- the page's only field
            autoFocus
            value={password}
            maxLength={256}
            onChange={(event) => setPassword(event.target.value)}
          />
        </Field>
        <Button type="submit" variant="primary" size="lg" busy={busy} disabled={password === ''}>
          Sign in
        </Button>
      </form>
      <p className="text-base text-ink-faint">
        Forgotten? On the machine itself, run <code className="font-mono text-ink-soft">thatdam password</code> and set a new one.
      </p>
    </main>
  )
}
