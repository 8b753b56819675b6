'use client'
import { useQuery } from '@tanstack/react-query'
import { Button } from '@thatdam/ui/button'
import { Dialog } from '@thatdam/ui/dialog'
import { Field } from '@thatdam/ui/field'
import { Input } from '@thatdam/ui/input'
import { Skeleton } from '@thatdam/ui/skeleton'
import { ArrowUp, ChevronRight, Folder, FolderLock } from 'lucide-react'
import { useState } from 'react'
import { sentenceOf, useTRPC } from '../client.tsx'

export interface FolderPickerProps {
  machine: string
  /** Of another machine of the ring; left out: the one whose console this is. */
  nodeId?: string
  onPick: (path: string) => void
  onClose: () => void
}

/** The machine's own folders, one level at a time: a browser may be on another machine. */
export function FolderPicker({ machine, nodeId, onPick, onClose }: FolderPickerProps) {
  const trpc = useTRPC()
  const [path, setPath] = useState<string | null>(null)
  const listing = useQuery(
    trpc.folders.list.queryOptions({ path, ...(nodeId === undefined ? {} : { nodeId }) }, { staleTime: 0, retry: false }),
  )
  const { data, error } = listing
  if (error !== null && nodeId !== undefined)
    return <TypeFolder machine={machine} reason={sentenceOf(error)} onPick={onPick} onClose={onClose} />
  return (
    <Dialog
      open
      onOpenChange={(open) => {
        if (!open) onClose()
      }}
      title="Choose a folder"
      description={`Folders on ${machine}. Everything below the chosen one is read; nothing is moved or changed.`}
      footer={
        <>
          <Button onClick={onClose}>Cancel</Button>
          <Button variant="primary" disabled={path === null} onClick={() => path !== null && onPick(path)}>
            Choose this folder
          </Button>
        </>
      }
    >
      <div className="flex items-center gap-2 pb-2">
        <Button size="sm" disabled={path === null} onClick={() => setPath(data?.parent ?? null)}>
          <ArrowUp className="size-4" aria-hidden /> Up
        </Button>
        <p className="min-w-0 flex-1 truncate font-mono text-base text-ink" title={path ?? undefined}>
          {path ?? 'Where to begin'}
        </p>
      </div>
      <div className="h-72 overflow-y-auto rounded-md border border-line">
        {error !== null ? <p className="p-4 text-lg text-danger-text">{sentenceOf(error)}</p> : null}
        {data === undefined && error === null ? (
          <div className="flex flex-col gap-1 p-1">
            {[0, 1, 2, 3, 4, 5].map((row) => (
              <Skeleton key={row} className="h-9" />
            ))}
          </div>
        ) : null}
        {data?.folders.length === 0 ? <p className="p-4 text-lg text-ink-soft">No folders in here. You can choose this one.</p> : null}
        <ul>
          {data?.folders.map((folder) => (
            <li key={folder.path}>
              <button
                type="button"
                disabled={!folder.readable}
                onClick={() => setPath(folder.path)}
                className="flex h-9 w-full items-center gap-2 px-3 text-left text-lg text-ink hover:bg-hover disabled:text-ink-faint pointer-coarse:h-11"
              >
                {folder.readable ? <Folder className="size-4 text-ink-faint" aria-hidden /> : <FolderLock className="size-4" aria-hidden />}
                <span className="min-w-0 flex-1 truncate">{folder.name}</span>
                {folder.readable ? (
                  <ChevronRight className="size-4 text-ink-faint" aria-hidden />
                ) : (
                  <span className="text-sm">cannot be read</span>
                )}
              </button>
            </li>
          ))}
        </ul>
        {data?.truncated ? <p className="p-3 text-base text-ink-faint">Only the first 1,000 folders are shown.</p> : null}
      </div>
    </Dialog>
  )
}

/** A machine whose folders cannot be listed from here: its path is typed, and the machine says when it is not there. */
function TypeFolder({ machine, reason, onPick, onClose }: FolderPickerProps & { reason: string }) {
  const [path, setPath] = useState('')
  return (
    <Dialog
      open
      onOpenChange={(open) => {
        if (!open) onClose()
      }}
      title="Type a folder"
      description={`The folders on ${machine} cannot be listed from here. ${reason}`}
      width="sm"
    >
      <form
        className="flex flex-col gap-4 pb-2"
        onSubmit={(event) => {
          event.preventDefault()
          onPick(path.trim())
        }}
      >
        <Field label={`Folder on ${machine}`} hint="The whole path, as that machine writes it.">
          <Input value={path} spellCheck={false} maxLength={1024} onChange={(event) => setPath(event.target.value)} />
        </Field>
        <div className="flex justify-end gap-2">
          <Button onClick={onClose}>Cancel</Button>
          <Button type="submit" variant="primary" disabled={path.trim() === ''}>
            Add
          </Button>
        </div>
      </form>
    </Dialog>
  )
}
