'use client'
import { useMutation } from '@tanstack/react-query'
import { Button } from '@thatdam/ui/button'
import { Dialog } from '@thatdam/ui/dialog'
import { Progress } from '@thatdam/ui/progress'
import { Pause, Play, RefreshCw, TriangleAlert } from 'lucide-react'
import { useState } from 'react'
import { useTRPC, type AgentState } from '../client.tsx'
import { bytes, count, span } from '../format.tsx'
import { useShowError } from '../query.tsx'

type Index = NonNullable<AgentState['index']>

/** What indexing does now, with rate and time left where they are known; nothing when there is nothing to say. */
export function IndexBar({ agent }: { agent: AgentState }) {
  const [showsErrors, setShowsErrors] = useState(false)
  const { index, derive } = agent
  if (index === null) return null
  const problems = index.roots.filter((root) => root.problem !== null)
  const busy = index.state !== 'idle'
  // What is idle and still waits, waits for something else: a disk, or ffmpeg.
  const deriving = derive !== null && derive.state === 'working' && derive.waiting > 0
  if (!busy && !deriving && index.errorCount === 0 && problems.length === 0) return null
  return (
    <div className="border-b border-line bg-surface px-3 py-2 md:px-4" data-testid="index-bar">
      <div className="flex flex-wrap items-center gap-x-3 gap-y-1.5">
        <p className="w-full min-w-0 text-base text-ink md:w-auto md:flex-1" aria-live="polite">
          {sentence(index, deriving ? derive.waiting : 0)}
        </p>
        {problems.length + index.errorCount > 0 ? (
          <Button size="sm" variant="quiet" onClick={() => setShowsErrors(true)}>
            <TriangleAlert className="size-4 text-accent-text" aria-hidden />
            {count(index.errorCount + problems.length, 'problem', 'problems')}
          </Button>
        ) : null}
        <Commands index={index} />
      </div>
      {busy ? <Progress className="mt-2" label="Indexing" value={shareDone(index)} /> : null}
      <ErrorsDialog index={index} open={showsErrors} onOpenChange={setShowsErrors} />
    </div>
  )
}

function shareDone(index: Index): number | null {
  if (index.bytesTotal !== null && index.bytesTotal > 0) return index.bytesDone / index.bytesTotal
  return index.filesTotal !== null && index.filesTotal > 0 ? index.filesDone / index.filesTotal : null
}

function sentence(index: Index, waitingThumbs: number): string {
  const files =
    index.filesTotal === null
      ? index.filesDone.toLocaleString('en')
      : `${index.filesDone.toLocaleString('en')} of ${index.filesTotal.toLocaleString('en')}`
  const rate = index.bytesPerSecond === null ? '' : ` · ${bytes(index.bytesPerSecond)}/s`
  const left = index.secondsLeft === null ? '' : ` · ${span(index.secondsLeft)} left`
  const idle =
    waitingThumbs > 0
      ? `Making ${count(waitingThumbs, 'preview', 'previews')}`
      : `${count(index.filesDone, 'file', 'files')} read; some could not be`
  const seen = index.roots.reduce((sum, root) => sum + root.filesSeen, 0)
  const words: Record<Index['state'], string> = {
    walking: `Looking through the folders · ${count(seen, 'file', 'files')} so far`,
    indexing: `Reading ${files} files${rate}${left}`,
    paused: `Paused at ${files} files`,
    idle,
  }
  return words[index.state]
}

function Commands({ index }: { index: Index }) {
  const trpc = useTRPC()
  const showError = useShowError()
  const pause = useMutation(trpc.index.pause.mutationOptions({ onError: showError }))
  const resume = useMutation(trpc.index.resume.mutationOptions({ onError: showError }))
  if (index.state === 'paused') {
    return (
      <Button size="sm" busy={resume.isPending} onClick={() => resume.mutate()}>
        <Play className="size-4" aria-hidden /> Go on
      </Button>
    )
  }
  if (index.state === 'idle') return null
  return (
    <Button size="sm" busy={pause.isPending} onClick={() => pause.mutate()}>
      <Pause className="size-4" aria-hidden /> Pause
    </Button>
  )
}

function ErrorsDialog({ index, open, onOpenChange }: { index: Index; open: boolean; onOpenChange: (open: boolean) => void }) {
  const trpc = useTRPC()
  const showError = useShowError()
  const retry = useMutation(trpc.index.retryErrors.mutationOptions({ onError: showError, onSuccess: () => onOpenChange(false) }))
  const problems = [
    ...index.roots.filter((root) => root.problem !== null).map((root) => ({ path: root.path, reason: rootReason(root.problem ?? '') })),
    ...index.errors,
  ]
  return (
    <Dialog
      open={open}
      onOpenChange={onOpenChange}
      title="What could not be read"
      description={
        index.errorCount > index.errors.length
          ? `The newest ${index.errors.length} of ${index.errorCount.toLocaleString('en')}. Everything else is in the library.`
          : 'Everything else is in the library.'
      }
      width="lg"
      footer={
        <Button variant="primary" busy={retry.isPending} onClick={() => retry.mutate()}>
          <RefreshCw className="size-4" aria-hidden /> Try again
        </Button>
      }
    >
      <ul className="divide-y divide-line">
        {problems.map(({ path, reason }) => (
          <li key={path} className="py-2">
            <p className="font-mono text-sm [overflow-wrap:anywhere] text-ink">{path}</p>
            <p className="text-base text-ink-soft">{reason}</p>
          </li>
        ))}
      </ul>
    </Dialog>
  )
}

/** The indexer's own words for a folder, or a sentence for its short ones. */
export function rootReason(problem: string): string {
  const sentences: Record<string, string> = {
    missing: 'This folder is not there. Connect its disk, or take the folder out in Settings.',
    unreadable: 'This folder cannot be read. Allow the user that runs ThatDAM to read it.',
    overlaps: 'This folder lies in another one of the list, or in the store. Take one of the two out in Settings.',
    'not-allowed': 'This folder lies outside those that were allowed on the machine when it was added.',
  }
  return sentences[problem] ?? problem
}
