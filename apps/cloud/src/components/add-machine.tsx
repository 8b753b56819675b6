'use client'
import { Banner } from '@thatdam/ui/banner'
import { Button } from '@thatdam/ui/button'
import { CopyButton } from '@thatdam/ui/copy-button'
import { Field } from '@thatdam/ui/field'
import { Select } from '@thatdam/ui/select'
import { Skeleton } from '@thatdam/ui/skeleton'
import { useCallback, useEffect, useRef, useState } from 'react'
import type { MadeToken } from '../domain/tokens.ts'
import type { BaseOrigin } from '../server/addresses.ts'
import type { ScriptName } from '../server/releases.ts'
import { call } from '../web/call.ts'
import { JoinProgress } from './join-progress.tsx'
import { ScriptTrust } from './script-trust.tsx'

export interface PlatformChoice {
  id: 'linux' | 'macos' | 'windows'
  script: ScriptName
  kinds: { label: string; built: boolean }[]
}

export interface Address extends BaseOrigin {
  /** Of the scripts as this address serves them; null when this installation has none. */
  sha256: Record<ScriptName, string | null>
}

const NAMES = { linux: 'Linux, Raspberry Pi', macos: 'macOS', windows: 'Windows' } as const
const WHERE = {
  linux: 'Run this in a terminal of the machine, or over SSH.',
  macos: 'Run this in Terminal.',
  windows: 'Run this in PowerShell. Opened as administrator, ThatDAM starts with the machine; otherwise when you sign in.',
} as const
const LIVES = [
  { value: '15', label: '15 minutes' },
  { value: '60', label: '1 hour' },
  { value: '1440', label: '1 day' },
  { value: '10080', label: '7 days' },
]
const MACHINES = [1, 5, 20, 100].map((count) => ({ value: String(count), label: count === 1 ? 'One machine' : `${count} machines` }))

function commandFor(platform: PlatformChoice, origin: string, token: string): string {
  if (platform.id === 'windows') return `& ([scriptblock]::Create((irm ${origin}/install.ps1))) -Token ${token}`
  return `curl -fsSL ${origin}/install.sh | sh -s -- --token ${token}`
}

function useToken() {
  const [made, setMade] = useState<MadeToken | null>(null)
  const [problem, setProblem] = useState<string | null>(null)
  const make = useCallback(async (lifeMinutes: number, machines: number): Promise<void> => {
    setMade(null)
    const answer = await call<MadeToken>('POST', '/api/tokens', { lifeMinutes, machines })
    setMade(answer.value)
    setProblem(answer.ok ? null : answer.message)
  }, [])
  const asked = useRef(false)
  useEffect(() => {
    if (asked.current) return
    asked.current = true
    void make(15, 1)
  }, [make])
  return { made, problem, make }
}

interface AddMachineProps {
  /** By which a machine may reach this server, best first. */
  addresses: Address[]
  loopbackOnly: boolean
  platforms: PlatformChoice[]
}

export function AddMachine({ addresses, loopbackOnly, platforms }: AddMachineProps) {
  const [wantedOrigin, setOrigin] = useState(addresses[0]?.origin)
  const [chosen, setChosen] = useState<PlatformChoice['id']>('linux')
  const [lifeMinutes, setLifeMinutes] = useState('15')
  const [machines, setMachines] = useState('1')
  const { made, problem, make } = useToken()
  const platform = platforms.find((one) => one.id === chosen) ?? platforms[0]
  const address = addresses.find((one) => one.origin === wantedOrigin) ?? addresses[0]
  if (platform === undefined || address === undefined) return null
  const { origin } = address
  const again = (life: string, count: string): void => {
    setLifeMinutes(life)
    setMachines(count)
    void make(Number(life), Number(count))
  }
  return (
    <>
      <div className="flex flex-col gap-1">
        <h1 className="text-2xl font-semibold">Add a machine</h1>
        <p className="text-lg text-ink-soft">Copy the command, run it there, and watch this page.</p>
      </div>
      <div role="tablist" aria-label="System" className="flex flex-wrap gap-1 self-start rounded-lg border border-line bg-surface p-1">
        {platforms.map((one) => (
          <Button
            key={one.id}
            role="tab"
            aria-selected={one.id === chosen}
            variant={one.id === chosen ? 'secondary' : 'quiet'}
            onClick={() => setChosen(one.id)}
          >
            {NAMES[one.id]}
          </Button>
        ))}
      </div>
      {loopbackOnly ? (
        <Banner tone="warning">
          This server is only reachable on this machine ({origin}), so the command works here alone. Connect it to a network, or set
          PUBLIC_URL, to add others.
        </Banner>
      ) : null}
      {addresses.length < 2 ? null : (
        <div className="max-w-[360px]">
          <Field label="Address of this server, as the machine reaches it">
            <Select value={origin} onValueChange={setOrigin} options={addresses.map((one) => ({ value: one.origin, label: one.label }))} />
          </Field>
        </div>
      )}
      <NotBuilt platform={platform} />
      {problem === null ? null : <Banner tone="error">{problem}</Banner>}
      <div className="flex flex-col gap-3">
        {made === null ? (
          <>
            <Command where={WHERE[platform.id]} text={null} />
            <Skeleton className="h-11" />
          </>
        ) : (
          <JoinProgress key={made.id} token={made} onAgain={() => again(lifeMinutes, machines)}>
            <Command where={WHERE[platform.id]} text={commandFor(platform, origin, made.text)} />
          </JoinProgress>
        )}
      </div>
      <details className="border-t border-line pt-4">
        <summary className="text-lg text-ink-soft hover:text-ink">More machines or more time with one command</summary>
        <div className="mt-4 grid gap-4 sm:grid-cols-2">
          <Field label="Valid for">
            <Select value={lifeMinutes} onValueChange={(value) => again(value, machines)} options={LIVES} />
          </Field>
          <Field label="Good for">
            <Select value={machines} onValueChange={(value) => again(lifeMinutes, value)} options={MACHINES} />
          </Field>
        </div>
        <p className="mt-2 text-base text-ink-soft">
          A choice makes a new command. Whoever has it can add machines to your account while it is valid.
        </p>
      </details>
      <ScriptTrust platform={platform} address={address} />
    </>
  )
}

/** The whole command, to be read before it is run; the same height while its token is on the way. */
function Command({ where, text }: { where: string; text: string | null }) {
  return (
    <>
      <p className="text-lg">{where}</p>
      <code
        data-testid="command"
        className="block min-h-[86px] rounded-md border border-line-strong bg-surface p-3 font-mono text-base break-all whitespace-pre-wrap select-all sm:min-h-[66px]"
      >
        {text ?? <Skeleton className="h-10" />}
      </code>
      <div>
        <CopyButton key={text} text={text ?? ''} label="Copy command" variant="primary" size="lg" />
      </div>
    </>
  )
}

function NotBuilt({ platform }: { platform: PlatformChoice }) {
  const missing = platform.kinds.filter((kind) => !kind.built).map((kind) => kind.label)
  if (missing.length === 0) return null
  if (missing.length < platform.kinds.length)
    return <Banner>Not built in this checkout: {missing.join(', ')}. The command stops there and says so.</Banner>
  return (
    <Banner tone="warning">
      The agent for {NAMES[platform.id]} was not built in this checkout, so the command cannot install it. Archives are built on a machine
      of their own system; the README says how.
    </Banner>
  )
}
