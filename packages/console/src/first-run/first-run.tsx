'use client'
import { useMutation, useQuery } from '@tanstack/react-query'
import { Button, IconButton } from '@thatdam/ui/button'
import { cx } from '@thatdam/ui/cx'
import { RingMark } from '@thatdam/ui/ring'
import { Skeleton } from '@thatdam/ui/skeleton'
import { Check, FolderPlus, Video, X } from 'lucide-react'
import { useState } from 'react'
import { sentenceOf, useTRPC, type AgentState } from '../client.tsx'
import { count } from '../format.tsx'
import { useNavigation } from '../navigation.tsx'
import { useShowError } from '../query.tsx'
import { useLiveState } from '../state.tsx'
import { useStored } from '../stored.tsx'
import { FolderPicker } from './folder-picker.tsx'

const DISMISSED_KEY = 'thatdam.first-run-dismissed'
const DISMISSED = ['no', 'yes'] as const

/** Shown until folders were chosen or the person went on without. */
export function useFirstRun(): { shown: boolean; dismiss: () => void } {
  const { state } = useLiveState()
  const [dismissed, setDismissed] = useStored(DISMISSED_KEY, DISMISSED)
  return {
    shown: dismissed === 'no' && state?.agent !== undefined && state.agent !== null && hasNothing(state.agent),
    dismiss: () => setDismissed('yes'),
  }
}

/** No machine of the ring was given folders, and none has files: whoever leads next is not asked again. */
export function hasNothing(agent: AgentState): boolean {
  const others = agent.members.filter((member) => !member.self)
  return (
    agent.settings.indexPaths.length === 0 &&
    (agent.index?.filesDone ?? 0) === 0 &&
    others.every(({ settings, reported }) => (settings?.indexPaths.length ?? 0) === 0 && (reported?.assets ?? 0) === 0)
  )
}

/** The first screen: nothing is read before its owner said what. */
export function FirstRun({ agent, onDone }: { agent: AgentState; onDone: () => void }) {
  const trpc = useTRPC()
  const navigation = useNavigation()
  const showError = useShowError()
  const [chosen, setChosen] = useState<readonly string[]>([])
  const [picks, setPicks] = useState(false)
  const start = useQuery(trpc.folders.list.queryOptions({ path: null }))
  const save = useMutation(trpc.node.settings.patch.mutationOptions({ onError: showError, onSuccess: onDone }))
  const suggested = start.data?.folders.filter((folder) => folder.suggested && folder.readable) ?? []
  const own = chosen.filter((path) => !suggested.some((folder) => folder.path === path))
  const toggle = (path: string): void => setChosen((now) => (now.includes(path) ? now.filter((other) => other !== path) : [...now, path]))
  return (
    <div className="flex h-full flex-col items-center overflow-y-auto px-4 py-8 md:py-16">
      <div className="flex w-full max-w-xl flex-col gap-6">
        <RingMark className="size-10 text-ink" />
        <div className="flex flex-col gap-2">
          <h1 className="text-3xl font-semibold">What should be in your library?</h1>
          <p className="text-lg text-ink-soft">
            Choose folders on {agent.settings.name}. Photos, footage and sound in them show up here within seconds. Files stay where they
            are and are never changed.
          </p>
        </div>
        <ul className="flex flex-col gap-2">
          {start.isPending ? (
            <>
              <Skeleton className="h-14" />
              <Skeleton className="h-14" />
            </>
          ) : null}
          {start.error === null ? null : <li className="text-lg text-danger-text">{sentenceOf(start.error)}</li>}
          {suggested.map((folder) => (
            <li key={folder.path}>
              <Choice name={folder.name} path={folder.path} chosen={chosen.includes(folder.path)} onToggle={() => toggle(folder.path)} />
            </li>
          ))}
          {own.map((path) => (
            <li key={path} className="flex h-14 items-center gap-3 rounded-lg border border-accent bg-surface px-4">
              <Check className="size-5 shrink-0 text-accent-text" aria-hidden />
              <span className="min-w-0 flex-1 truncate font-mono text-base">{path}</span>
              <IconButton label={`Take ${path} out`} onClick={() => toggle(path)}>
                <X className="size-4" aria-hidden />
              </IconButton>
            </li>
          ))}
          <li>
            <button
              type="button"
              onClick={() => setPicks(true)}
              className="flex h-14 w-full items-center gap-3 rounded-lg border border-dashed border-line-strong px-4 text-left text-lg text-ink hover:bg-surface"
            >
              <FolderPlus className="size-5 text-ink-faint" aria-hidden /> Another folder …
            </button>
          </li>
        </ul>
        <div className="flex flex-wrap items-center gap-3">
          <Button
            variant="primary"
            size="lg"
            disabled={chosen.length === 0}
            busy={save.isPending}
            onClick={() => save.mutate({ indexPaths: [...chosen] })}
          >
            {chosen.length === 0 ? 'Add to the library' : `Add ${count(chosen.length, 'folder', 'folders')}`}
          </Button>
          <Button
            size="lg"
            variant="quiet"
            onClick={() => {
              onDone()
              navigation.go(navigation.href('monitor'))
            }}
          >
            <Video className="size-4" aria-hidden /> Only cameras for now
          </Button>
        </div>
      </div>
      {picks ? (
        <FolderPicker
          machine={agent.settings.name}
          onClose={() => setPicks(false)}
          onPick={(path) => {
            setPicks(false)
            setChosen((now) => (now.includes(path) ? now : [...now, path]))
          }}
        />
      ) : null}
    </div>
  )
}

function Choice({ name, path, chosen, onToggle }: { name: string; path: string; chosen: boolean; onToggle: () => void }) {
  return (
    <button
      type="button"
      aria-pressed={chosen}
      onClick={onToggle}
      className={cx(
        'flex h-14 w-full items-center gap-3 rounded-lg border bg-surface px-4 text-left transition-colors duration-[120ms]',
        chosen ? 'border-accent' : 'border-line-strong hover:bg-raised',
      )}
    >
      <span
        className={cx(
          'grid size-5 shrink-0 place-items-center rounded-sm border',
          chosen ? 'border-accent bg-accent text-accent-ink' : 'border-line-strong',
        )}
      >
        {chosen ? <Check className="size-4" aria-hidden /> : null}
      </span>
      <span className="min-w-0 flex-1">
        <span className="block text-lg text-ink">{name}</span>
        <span className="block truncate font-mono text-sm text-ink-faint">{path}</span>
      </span>
    </button>
  )
}
