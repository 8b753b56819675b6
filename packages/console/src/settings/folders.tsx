'use client'
import { useMutation } from '@tanstack/react-query'
import { Button, IconButton } from '@thatdam/ui/button'
import { useToast } from '@thatdam/ui/toast'
import { FolderPlus, RefreshCw, TriangleAlert, X } from 'lucide-react'
import { useState } from 'react'
import { useTRPC, type AgentState } from '../client.tsx'
import { rootReason } from '../explorer/index-bar.tsx'
import { FolderPicker } from '../first-run/folder-picker.tsx'
import { age, count } from '../format.tsx'
import { useShowError } from '../query.tsx'
import { useNow } from '../state.tsx'

export interface FoldersProps {
  machine: {
    nodeId: string
    name: string
    self: boolean
    awake: boolean
    paths: readonly string[]
    /** What its indexer told; null: nothing to this machine. */
    index: AgentState['index']
  }
}

/** Folders of one machine of the ring that are read into the library. */
export function Folders({ machine }: FoldersProps) {
  const trpc = useTRPC()
  const toast = useToast()
  const showError = useShowError()
  const [picks, setPicks] = useState(false)
  const save = useMutation(trpc.node.settings.patch.mutationOptions({ onError: showError }))
  const rescan = useMutation(
    trpc.index.rescan.mutationOptions({ onError: showError, onSuccess: () => toast({ text: 'The folders are looked through again.' }) }),
  )
  const { nodeId, paths, index } = machine
  return (
    <div className="flex flex-col gap-3">
      {paths.length === 0 ? <p className="text-lg text-ink-soft">None yet.</p> : null}
      <ul className="flex flex-col gap-2">
        {paths.map((path) => (
          <FolderRow
            key={path}
            path={path}
            index={index}
            onRemove={() =>
              save.mutate(
                { nodeId, indexPaths: paths.filter((other) => other !== path) },
                {
                  onSuccess: () =>
                    toast({
                      text: `“${path}” is not read any more. Nothing in it was deleted.`,
                      action: { label: 'Undo', onAction: () => save.mutate({ nodeId, indexPaths: [...paths] }) },
                    }),
                },
              )
            }
          />
        ))}
      </ul>
      <div className="flex flex-wrap items-center gap-2">
        <Button variant={machine.self && paths.length === 0 ? 'primary' : 'secondary'} busy={save.isPending} onClick={() => setPicks(true)}>
          <FolderPlus className="size-4" aria-hidden /> Add a folder
        </Button>
        {paths.length === 0 || !machine.self ? null : (
          <Button variant="quiet" busy={rescan.isPending} onClick={() => rescan.mutate()}>
            <RefreshCw className="size-4" aria-hidden /> Look for changes now
          </Button>
        )}
        <LastLook index={index} />
      </div>
      {picks ? (
        <FolderPicker
          machine={machine.name}
          {...(machine.self ? {} : { nodeId })}
          onClose={() => setPicks(false)}
          onPick={(path) => {
            setPicks(false)
            if (!paths.includes(path)) save.mutate({ nodeId, indexPaths: [...paths, path] })
          }}
        />
      ) : null}
    </div>
  )
}

function FolderRow({ path, index, onRemove }: { path: string; index: AgentState['index']; onRemove: () => void }) {
  const root = index?.roots.find((one) => one.path === path)
  const problem = root?.problem ?? null
  return (
    <li className="flex items-center gap-3 rounded-md border border-line bg-surface py-1.5 pr-1.5 pl-3">
      <span className="min-w-0 flex-1">
        <span className="block font-mono text-base [overflow-wrap:anywhere] text-ink">{path}</span>
        {problem !== null ? (
          <span className="flex items-start gap-1.5 text-base text-ink-soft">
            <TriangleAlert className="mt-0.5 size-4 shrink-0 text-accent-text" aria-hidden /> {rootReason(problem)}
          </span>
        ) : root === undefined ? null : (
          <span className="block text-sm text-ink-faint">{count(root.filesSeen, 'file', 'files')}</span>
        )}
      </span>
      <IconButton label={`Do not read ${path} any more`} onClick={onRemove}>
        <X className="size-4" aria-hidden />
      </IconButton>
    </li>
  )
}

function LastLook({ index }: { index: AgentState['index'] }) {
  const now = useNow(10_000)
  const at = index?.lastFinishedAtMs ?? null
  return at === null ? null : <span className="text-base text-ink-faint">Looked through {age(at, now)}</span>
}
