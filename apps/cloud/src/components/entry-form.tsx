'use client'
import { Banner } from '@thatdam/ui/banner'
import { Button } from '@thatdam/ui/button'
import { Field } from '@thatdam/ui/field'
import { Input } from '@thatdam/ui/input'
import { type FormEvent, useState } from 'react'
import { call, signIn } from '../web/call.ts'

const fieldsOf = (form: HTMLFormElement) => {
  const data = new FormData(form)
  const text = (name: string) => {
    const value = data.get(name)
    return typeof value === 'string' ? value : ''
  }
  return { email: text('email').trim(), password: text('password'), current: text('current'), next: text('next') }
}

/** One submission at a time; a sentence when it failed. */
function useSubmit(run: (fields: ReturnType<typeof fieldsOf>) => Promise<string | null>) {
  const [busy, setBusy] = useState(false)
  const [problem, setProblem] = useState<string | null>(null)
  const onSubmit = (event: FormEvent<HTMLFormElement>) => {
    event.preventDefault()
    setBusy(true)
    void run(fieldsOf(event.currentTarget)).then((message) => {
      setProblem(message)
      setBusy(message === null)
      return message
    })
  }
  return { busy, problem, onSubmit }
}

async function signUp(email: string, password: string): Promise<string | null> {
  const made = await call('POST', '/api/sign-up', { email, password })
  return made.ok ? signIn(email, password) : made.message
}

export function EntryForm({ kind }: { kind: 'sign-in' | 'sign-up' }) {
  const { busy, problem, onSubmit } = useSubmit(async ({ email, password }) => {
    const message = kind === 'sign-up' ? await signUp(email, password) : await signIn(email, password)
    if (message === null) window.location.assign(kind === 'sign-up' ? '/add-machine' : '/nodes')
    return message
  })
  const isNew = kind === 'sign-up'
  return (
    <form onSubmit={onSubmit} className="flex flex-col gap-4">
      {problem === null ? null : <Banner tone="error">{problem}</Banner>}
      <Field label="E-mail address">
        <Input name="email" type="email" autoComplete="username" required maxLength={254} />
      </Field>
      <Field label="Password" hint={isNew ? 'At least 10 characters.' : undefined}>
        <Input
          name="password"
          type="password"
          autoComplete={isNew ? 'new-password' : 'current-password'}
          required
          minLength={isNew ? 10 : 1}
          maxLength={256}
        />
      </Field>
      <Button type="submit" variant="primary" size="lg" busy={busy}>
        {isNew ? 'Create account' : 'Sign in'}
      </Button>
    </form>
  )
}

/** Changing it ends every session; this browser is signed in again with the new one. */
export function PasswordForm({ email, first }: { email: string; first: boolean }) {
  const { busy, problem, onSubmit } = useSubmit(async ({ current, next }) => {
    const changed = await call('POST', '/api/password', { current, next })
    if (!changed.ok) return changed.message
    const message = await signIn(email, next)
    if (message === null) window.location.assign(first ? '/nodes' : '/account?changed=1')
    return message
  })
  return (
    <form onSubmit={onSubmit} className="flex flex-col gap-4">
      {problem === null ? null : <Banner tone="error">{problem}</Banner>}
      <input type="hidden" name="email" value={email} autoComplete="username" />
      <Field label={first ? 'One-time password' : 'Current password'}>
        <Input name="current" type="password" autoComplete="current-password" required maxLength={256} />
      </Field>
      <Field label="New password" hint="At least 10 characters. All other sign-ins of this account end.">
        <Input name="next" type="password" autoComplete="new-password" required minLength={10} maxLength={256} />
      </Field>
      <Button type="submit" variant="primary" size="lg" busy={busy}>
        {first ? 'Set password' : 'Change password'}
      </Button>
    </form>
  )
}
