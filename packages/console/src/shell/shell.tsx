'use client'
import { Banner } from '@thatdam/ui/banner'
import { IconButton } from '@thatdam/ui/button'
import { cx } from '@thatdam/ui/cx'
import { Dialog } from '@thatdam/ui/dialog'
import { Kbd } from '@thatdam/ui/badge'
import { RingMark } from '@thatdam/ui/ring'
import { Images, Keyboard, LogOut, Search, Settings2, Trash2, Video, Waypoints } from 'lucide-react'
import { useQuery } from '@tanstack/react-query'
import { useRef, useState, type ReactNode } from 'react'
import { useTRPC } from '../client.tsx'
import { KEY_MAP, useKeys } from '../keys.tsx'
import { PageLink, useNavigation, type PageName } from '../navigation.tsx'
import { JoinNotice } from '../nodes/join-notice.tsx'
import type { Roaming } from '../roam/roamer.tsx'
import { SavedMark } from '../saved/saved-mark.tsx'
import { useLiveState } from '../state.tsx'
import { Palette } from './palette.tsx'

const PAGES: readonly { page: PageName; label: string; Icon: typeof Images; phone: boolean }[] = [
  { page: 'explorer', label: 'Explorer', Icon: Images, phone: true },
  { page: 'monitor', label: 'Monitor', Icon: Video, phone: true },
  { page: 'nodes', label: 'Nodes', Icon: Waypoints, phone: true },
  { page: 'trash', label: 'Trash', Icon: Trash2, phone: true },
  { page: 'settings', label: 'Settings', Icon: Settings2, phone: true },
]
const GO_MS_MAX = 1_200
const GO: Readonly<Record<string, PageName>> = { e: 'explorer', m: 'monitor', n: 'nodes', t: 'trash', s: 'settings' }

/** The frame around every screen: pages at the left, at the bottom on a phone; ⌘K and ? everywhere. */
export function Shell({ children }: { children: ReactNode }) {
  const [palette, setPalette] = useState(false)
  const [keyMap, setKeyMap] = useState(false)
  const navigation = useNavigation()
  const wentAt = useRef(0)
  const goKeys = Object.fromEntries(
    Object.entries(GO).map(([key, page]) => [
      key,
      () => {
        if (Date.now() - wentAt.current < GO_MS_MAX) navigation.go(navigation.href(page))
        wentAt.current = 0
      },
    ]),
  )
  useKeys({ '?': () => setKeyMap(true), g: () => (wentAt.current = Date.now()), ...goKeys })
  useKeys(
    {
      'mod+k': (event) => {
        event.preventDefault()
        setPalette((open) => !open)
      },
    },
    true,
    'always',
  )
  return (
    <div className="flex h-dvh flex-col md:flex-row">
      <Rail onPalette={() => setPalette(true)} onKeyMap={() => setKeyMap(true)} />
      <main className="flex min-h-0 min-w-0 flex-1 flex-col">
        <Notices />
        <JoinNotice />
        <div className="min-h-0 flex-1">{children}</div>
      </main>
      <BottomBar />
      <SavedMark />
      <Palette open={palette} onOpenChange={setPalette} onKeyMap={() => setKeyMap(true)} />
      <KeyMap open={keyMap} onOpenChange={setKeyMap} />
    </div>
  )
}

function Rail({ onPalette, onKeyMap }: { onPalette: () => void; onKeyMap: () => void }) {
  const { page, signOut } = useNavigation()
  const name = useLiveState().state?.agent?.settings.name ?? ''
  const trpc = useTRPC()
  const session = useQuery(trpc.session.get.queryOptions(undefined, { staleTime: 60_000 }))
  return (
    <nav aria-label="Pages" className="hidden w-52 shrink-0 flex-col border-r border-line bg-surface p-2 md:flex">
      <div className="flex h-10 items-center gap-2 px-2">
        <RingMark className="size-6 shrink-0" />
        <span className="truncate text-base font-semibold" title={name}>
          {name}
        </span>
      </div>
      <button
        type="button"
        onClick={onPalette}
        className="mt-1 mb-2 flex h-8 items-center gap-2 rounded-md border border-line-strong px-2 text-left text-base text-ink-faint hover:bg-raised hover:text-ink"
      >
        <Search className="size-4" aria-hidden />
        <span className="flex-1">Find</span>
        <Kbd>⌘K</Kbd>
      </button>
      <ul className="flex flex-col gap-0.5">
        {PAGES.map(({ page: target, label, Icon }) => (
          <li key={target}>
            <PageLink
              page={target}
              aria-current={page === target ? 'page' : undefined}
              className={cx(
                'flex h-8 items-center gap-2.5 rounded-md px-2 text-base transition-colors duration-[120ms]',
                page === target ? 'bg-hover text-ink' : 'text-ink-soft hover:bg-raised hover:text-ink',
              )}
            >
              <Icon className="size-4" aria-hidden />
              <span className="flex-1">{label}</span>
              {target === 'monitor' ? <RecordingMark /> : null}
            </PageLink>
          </li>
        ))}
      </ul>
      <div className="mt-auto flex items-center gap-1">
        <IconButton label="Keys (?)" onClick={onKeyMap}>
          <Keyboard className="size-4" aria-hidden />
        </IconButton>
        {session.data && session.data.kind !== 'first-run' ? (
          <IconButton label="Sign out" onClick={signOut}>
            <LogOut className="size-4" aria-hidden />
          </IconButton>
        ) : null}
      </div>
    </nav>
  )
}

function RecordingMark() {
  const running = useLiveState().state?.agent?.captures.filter((capture) => capture.state === 'recording').length ?? 0
  if (running === 0) return null
  return (
    <span className="inline-flex items-center gap-1 text-xs text-danger-text">
      <span className="size-2 rounded-full bg-danger" aria-hidden />
      {running} <span className="sr-only">recording</span>
    </span>
  )
}

function BottomBar() {
  const { page } = useNavigation()
  return (
    <nav
      aria-label="Pages"
      className="grid shrink-0 grid-cols-5 border-t border-line bg-surface pb-[env(safe-area-inset-bottom)] md:hidden"
    >
      {PAGES.map(({ page: target, label, Icon }) => (
        <PageLink
          key={target}
          page={target}
          aria-current={page === target ? 'page' : undefined}
          className={cx(
            'flex h-14 flex-col items-center justify-center gap-1 text-xs',
            page === target ? 'text-accent-text' : 'text-ink-soft',
          )}
        >
          <Icon className="size-5" aria-hidden />
          {label}
        </PageLink>
      ))}
    </nav>
  )
}

/** What concerns every page: no connection, a catalog that is behind. */
function Notices() {
  const { state, connected, roaming } = useLiveState()
  const text =
    roaming !== null
      ? roamingWords(roaming)
      : !connected
        ? 'The console does not answer. What you see may be old; it is tried again by itself.'
        : state !== null && !state.agentReachable && state.agent !== null
          ? 'The agent on this machine does not answer. What you see may be old; it is tried again by itself.'
          : (state?.catalog.problem ?? '')
  if (text === '') return null
  return (
    <div className="px-3 pt-3 md:px-4">
      <Banner tone="warning">{text}</Banner>
    </div>
  )
}

function roamingWords({ from, isSilent, goingTo }: NonNullable<Roaming>): string {
  const what = isSilent ? `${from} does not answer.` : `${from} does not lead any more.`
  if (goingTo !== null) return `${what} Going on on ${goingTo}…`
  return `${what} Looking for the machine that leads now; this page goes on there by itself.`
}

function KeyMap({ open, onOpenChange }: { open: boolean; onOpenChange: (open: boolean) => void }) {
  return (
    <Dialog open={open} onOpenChange={onOpenChange} title="Keys" width="md">
      <div className="grid gap-x-8 gap-y-5 sm:grid-cols-2">
        {KEY_MAP.map(({ heading, keys }) => (
          <section key={heading}>
            <h3 className="pb-1.5 text-base font-semibold text-ink">{heading}</h3>
            <dl className="flex flex-col gap-1.5">
              {keys.map(([key, words]) => (
                <div key={key} className="flex items-baseline justify-between gap-4 text-base">
                  <dt className="text-ink-soft">{words}</dt>
                  <dd className="flex shrink-0 gap-1">
                    {key
                      .split(' ')
                      .map((part) => (/^(then|to)$/.test(part) ? <span key={part}>{part}</span> : <Kbd key={part}>{part}</Kbd>))}
                  </dd>
                </div>
              ))}
            </dl>
          </section>
        ))}
      </div>
    </Dialog>
  )
}
