'use client'
import { Button } from '@thatdam/ui/button'
import { CircleCheck, Hourglass, LoaderCircle } from 'lucide-react'
import Link from 'next/link'
import { type ReactNode, useEffect, useState } from 'react'
import { plural } from '../domain/plural.ts'
import type { MadeToken, TokenProgress } from '../domain/tokens.ts'
import { usePolled } from './use-polled.ts'

const EVERY_MS = 1_000

function useSecondsLeft(fromNowMs: number): number {
  const [left, setLeft] = useState(fromNowMs)
  useEffect(() => {
    const untilMs = Date.now() + fromNowMs
    const timer = setInterval(() => setLeft(Math.max(0, untilMs - Date.now())), 1000)
    return () => clearInterval(timer)
  }, [fromNowMs])
  return Math.ceil(left / 1000)
}

function leftText(seconds: number): string {
  if (seconds >= 7200) return `${plural(Math.floor(seconds / 3600), 'hour')} left`
  return `${Math.floor(seconds / 60)}:${String(seconds % 60).padStart(2, '0')} left`
}

const WAITING: TokenProgress = { state: 'waiting', machines: 1, joined: [] }

interface JoinProgressProps {
  token: MadeToken
  onAgain: () => void
  /** The command, shown as long as it works. */
  children: ReactNode
}

/** Turns to "connected" by itself. */
export function JoinProgress({ token, onAgain, children }: JoinProgressProps) {
  const { value: progress } = usePolled<TokenProgress>(`/api/tokens/${token.id}`, WAITING, EVERY_MS)
  const secondsLeft = useSecondsLeft(token.expiresInMs)
  const over = secondsLeft === 0 || progress.state === 'expired' || progress.state === 'revoked'
  const usedUp = progress.joined.length >= token.machines
  return (
    <>
      {over || usedUp ? null : children}
      {progress.joined.length > 0 ? <Joined progress={progress} token={token} onAgain={onAgain} over={over} /> : null}
      {progress.joined.length === 0 && over ? <Over revoked={progress.state === 'revoked'} onAgain={onAgain} /> : null}
      {progress.joined.length === 0 && !over ? <Waiting token={token} secondsLeft={secondsLeft} /> : null}
    </>
  )
}

function Over({ revoked, onAgain }: { revoked: boolean; onAgain: () => void }) {
  return (
    <output className="flex min-h-11 flex-wrap items-center gap-3 text-lg">
      <Hourglass className="size-5 text-ink-faint" aria-hidden />
      <span>{revoked ? 'This command was revoked.' : 'This command has expired.'}</span>
      <Button variant="primary" onClick={onAgain}>
        Make a new one
      </Button>
    </output>
  )
}

function Waiting({ token, secondsLeft }: { token: MadeToken; secondsLeft: number }) {
  return (
    <output className="flex min-h-11 flex-wrap items-center gap-x-3 gap-y-1 text-lg">
      <LoaderCircle className="size-5 animate-spin text-accent-text" aria-hidden />
      <span>Waiting for {token.machines === 1 ? 'the machine' : plural(token.machines, 'machine')}</span>
      <span className="text-base text-ink-faint">{leftText(secondsLeft)}</span>
    </output>
  )
}

function Joined({ progress, token, onAgain, over }: { progress: TokenProgress; token: MadeToken; onAgain: () => void; over: boolean }) {
  return (
    <output className="flex flex-col gap-2 rounded-md border border-line-strong bg-surface p-3" data-testid="connected">
      {progress.joined.map((node) => (
        <div key={node.id} className="flex flex-wrap items-center gap-x-3 gap-y-2 text-lg">
          <CircleCheck className="size-5 text-healthy" aria-hidden />
          <span className="[overflow-wrap:anywhere]">
            <strong className="font-semibold">{node.name}</strong> is connected
          </span>
          <Button asChild variant="primary" className="sm:ml-auto">
            <Link href={`/nodes/${node.id}`}>Open {node.name}</Link>
          </Button>
        </div>
      ))}
      {progress.joined.length < token.machines && !over ? (
        <p className="text-base text-ink-soft">
          The same command still works for {plural(token.machines - progress.joined.length, 'more machine', 'more machines')}.
        </p>
      ) : (
        <div>
          <Button variant="quiet" size="sm" onClick={onAgain}>
            Add another
          </Button>
        </div>
      )}
    </output>
  )
}
