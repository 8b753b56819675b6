'use client'
import { Button } from '@thatdam/ui/button'
import { EmptyState } from '@thatdam/ui/empty-state'
import { FolderPlus, SearchX, Trash2, TriangleAlert } from 'lucide-react'
import { useCallback, useRef, useState } from 'react'
import { sentenceOf } from '../client.tsx'
import { FirstRun, useFirstRun } from '../first-run/first-run.tsx'
import { useKeys } from '../keys.tsx'
import { useLinks } from '../links.tsx'
import { PageLink } from '../navigation.tsx'
import { useLiveState } from '../state.tsx'
import { useStored } from '../stored.tsx'
import { Grid } from './grid.tsx'
import { IndexBar } from './index-bar.tsx'
import { neighbour, type GridLayout } from './layout.tsx'
import { Preview } from './preview.tsx'
import { RenameDialog } from './rename-dialog.tsx'
import { Toolbar, type View } from './toolbar.tsx'
import { useAssetActions } from './use-actions.tsx'
import { NO_FILTERS, useAssets, type Filters } from './use-assets.tsx'
import { useOpenAsset } from './use-open-asset.tsx'

/** All media of the ring, or what was moved to trash. */
export function Explorer({ trashed = false }: { trashed?: boolean }) {
  const { state } = useLiveState()
  const firstRun = useFirstRun()
  if (!trashed && firstRun.shown && state?.agent) return <FirstRun agent={state.agent} onDone={firstRun.dismiss} />
  return <Library key={trashed ? 'trash' : 'library'} trashed={trashed} />
}

function Library({ trashed }: { trashed: boolean }) {
  const { state } = useLiveState()
  const links = useLinks()
  const [filters, setFilters] = useState<Filters>(NO_FILTERS)
  const [view, setView] = useView()
  // −1: nothing yet; a frame around the first picture would only disturb.
  const [wished, setSelected] = useState(-1)
  const [renamed, setRenamed] = useState<string | null>(null)
  const { assets, count, error, more, retry } = useAssets(filters, trashed)
  // A file that left the list (trash) leaves its place to the one behind it.
  const selected = Math.min(wished, (assets?.length ?? 1) - 1)
  const [openId, setOpenId] = useOpenAsset()
  const actions = useAssetActions()
  const layout = useRef<GridLayout>({ boxes: [], height: 0 })
  const search = useRef<HTMLInputElement>(null)
  const openIndex = openId === null || assets === null ? -1 : assets.findIndex((asset) => asset.id === openId)
  const open = useCallback((id: string) => setOpenId(id), [setOpenId])
  const current = assets?.[selected]

  const move = (key: 'left' | 'right' | 'up' | 'down') => (event: KeyboardEvent) => {
    event.preventDefault()
    const next = neighbour(layout.current, selected, key)
    setSelected(next)
    const grid = document.querySelector<HTMLElement>('[data-grid]')
    if (grid) grid.dataset['keys'] = 'true'
    requestAnimationFrame(() => document.querySelector<HTMLElement>(`[data-index="${next}"]`)?.focus({ preventScroll: true }))
  }
  useKeys(
    {
      ArrowLeft: move('left'),
      ArrowRight: move('right'),
      ArrowUp: move('up'),
      ArrowDown: move('down'),
      '/': (event) => {
        event.preventDefault()
        search.current?.focus()
      },
      ' ': (event) => {
        event.preventDefault()
        if (current) open(current.id)
      },
      x: () => current && (trashed ? actions.restore(current) : actions.trash(current)),
      Delete: () => current && !trashed && actions.trash(current),
      r: () => current && setRenamed(current.id),
      d: () => current && current.places > 0 && window.location.assign(links.download(current.id, current.title)),
      ...Object.fromEntries([0, 1, 2, 3, 4, 5].map((rating) => [String(rating), () => current && actions.rate(current, rating)])),
    },
    openId === null && renamed === null,
  )
  const opened = openIndex < 0 ? undefined : assets?.[openIndex]
  const toRename = assets?.find((asset) => asset.id === renamed)
  return (
    <div className="flex h-full min-h-0 flex-col">
      {trashed ? <TrashHead /> : null}
      <Toolbar filters={filters} onFilters={setFilters} view={view} onView={setView} count={count} searchRef={search} />
      {!trashed && state?.agent ? <IndexBar agent={state.agent} /> : null}
      <div className="flex min-h-0 flex-1 flex-col md:px-4">
        {error !== null && assets === null ? (
          <EmptyState
            icon={<TriangleAlert />}
            title="The list cannot be shown"
            action={<Button onClick={() => void retry()}>Try again</Button>}
          >
            {sentenceOf(error)}
          </EmptyState>
        ) : assets?.length === 0 ? (
          <Nothing
            trashed={trashed}
            filtered={filters !== NO_FILTERS && JSON.stringify(filters) !== JSON.stringify(NO_FILTERS)}
            onClear={() => setFilters(NO_FILTERS)}
          />
        ) : (
          <Grid
            assets={assets}
            mode={view.mode}
            size={view.size}
            selected={selected}
            onSelect={setSelected}
            onOpen={open}
            onNearEnd={more}
            layoutRef={layout}
          />
        )}
      </div>
      {opened === undefined ? null : (
        <Preview
          asset={opened}
          place={`${(openIndex + 1).toLocaleString('en')} of ${count === null ? (assets?.length ?? 0) : `${count.count.toLocaleString('en')}${count.more ? '+' : ''}`}`}
          actions={actions}
          onClose={() => {
            setSelected(openIndex)
            setOpenId(null)
          }}
          onMove={(by) => {
            const next = assets?.[openIndex + by]
            if (next === undefined) return
            if (openIndex + by > (assets?.length ?? 0) - 20) more()
            setSelected(openIndex + by)
            setOpenId(next.id, true)
          }}
        />
      )}
      {toRename === undefined ? null : <RenameDialog asset={toRename} onClose={() => setRenamed(null)} />}
    </div>
  )
}

function TrashHead() {
  return (
    <div className="flex flex-wrap items-baseline gap-x-3 px-3 pt-3 md:px-4">
      <h1 className="text-xl font-semibold">Trash</h1>
      <p className="text-base text-ink-soft">Kept until you take it back. Nothing on disk was deleted.</p>
    </div>
  )
}

function Nothing({ trashed, filtered, onClear }: { trashed: boolean; filtered: boolean; onClear: () => void }) {
  if (filtered) {
    return (
      <EmptyState icon={<SearchX />} title="Nothing matches" action={<Button onClick={onClear}>Clear search and filters</Button>}>
        Every word must begin a word of the name, folder, camera, lens or codec.
      </EmptyState>
    )
  }
  if (trashed) {
    return (
      <EmptyState icon={<Trash2 />} title="The trash is empty">
        Open a file and press X, or the bin above it, to move it here.
      </EmptyState>
    )
  }
  return (
    <EmptyState
      icon={<FolderPlus />}
      title="No files yet"
      action={
        <>
          <Button asChild variant="primary" size="lg">
            <PageLink page="settings">Choose folders</PageLink>
          </Button>
          <Button asChild size="lg">
            <PageLink page="monitor">Look at cameras</PageLink>
          </Button>
        </>
      }
    >
      Choose folders on this machine, and what is in them shows up here. The files stay where they are.
    </EmptyState>
  )
}

const MODES = ['justified', 'square'] as const
const SIZES = ['m', 's', 'l'] as const

function useView(): [View, (view: View) => void] {
  const [mode, setMode] = useStored('thatdam.explorer-mode', MODES)
  const [size, setSize] = useStored('thatdam.explorer-size', SIZES)
  return [
    { mode, size },
    (next) => {
      setMode(next.mode)
      setSize(next.size)
    },
  ]
}
