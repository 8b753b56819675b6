'use client'
import { useMutation } from '@tanstack/react-query'
import { Button } from '@thatdam/ui/button'
import { CopyLine } from '@thatdam/ui/copy-button'
import { Field } from '@thatdam/ui/field'
import { Input } from '@thatdam/ui/input'
import { useToast } from '@thatdam/ui/toast'
import { useState } from 'react'
import { sentenceOf, useTRPC, type AgentState } from '../client.tsx'

const LENGTH_MIN = 10

export function PasswordForm({ agent }: { agent: AgentState }) {
  const trpc = useTRPC()
  const toast = useToast()
  const { passwordSet, consoleUrls, consoleBind } = agent.owner
  const [current, setCurrent] = useState('')
  const [next, setNext] = useState('')
  const save = useMutation(
    trpc.owner.setPassword.mutationOptions({
      onSuccess: () => {
        setCurrent('')
        setNext('')
        toast({
          text: passwordSet
            ? 'The password was changed. Other browsers were signed out.'
            : 'The password is set. The console now opens in your network too.',
        })
      },
    }),
  )
  const short = next !== '' && next.length < LENGTH_MIN
  return (
    <div className="flex flex-col gap-4">
      <form
        className="flex flex-col gap-4"
        onSubmit={(event) => {
          event.preventDefault()
          save.mutate({ next, ...(passwordSet ? { current } : {}) })
        }}
      >
        <input type="text" name="username" autoComplete="username" value="owner" readOnly hidden />
        {passwordSet ? (
          <Field label="Present password">
            <Input
              type="password"
              autoComplete="current-password"
              value={current}
              maxLength={256}
              onChange={(event) => setCurrent(event.target.value)}
            />
          </Field>
        ) : null}
        <Field
          label={passwordSet ? 'New password' : 'Password'}
          hint={`At least ${LENGTH_MIN} characters. Forgotten? Set a new one on the machine: thatdam password`}
          error={save.error === null ? null : sentenceOf(save.error)}
        >
          <Input
            type="password"
            autoComplete="new-password"
            value={next}
            maxLength={256}
            onChange={(event) => setNext(event.target.value)}
          />
        </Field>
        <div className="flex items-center gap-3">
          <Button
            type="submit"
            variant="primary"
            busy={save.isPending}
            disabled={next.length < LENGTH_MIN || (passwordSet && current === '')}
          >
            {passwordSet ? 'Change the password' : 'Set the password'}
          </Button>
          {short ? <span className="text-base text-ink-faint">{LENGTH_MIN - next.length} more</span> : null}
        </div>
      </form>
      <div className="flex flex-col gap-2">
        <p className="text-base text-ink-soft">
          {consoleBind === 'lan' ? 'Open the console from another machine or a phone:' : 'The console’s address on this machine:'}
        </p>
        {consoleUrls.map((url) => (
          <CopyLine key={url} text={url} />
        ))}
      </div>
    </div>
  )
}
