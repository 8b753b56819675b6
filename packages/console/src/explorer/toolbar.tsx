'use client'
import { useQuery } from '@tanstack/react-query'
import { IconButton } from '@thatdam/ui/button'
import { cx } from '@thatdam/ui/cx'
import { Input } from '@thatdam/ui/input'
import { Menu } from '@thatdam/ui/menu'
import { Camera, Grid2x2, LayoutDashboard, Search, SlidersHorizontal, Star, X } from 'lucide-react'
import type { RefObject } from 'react'
import { useTRPC } from '../client.tsx'
import { NO_FILTERS, type Filters } from './use-assets.tsx'

export interface View {
  mode: 'justified' | 'square'
  size: 's' | 'm' | 'l'
}
export interface ToolbarProps {
  filters: Filters
  onFilters: (filters: Filters) => void
  view: View
  onView: (view: View) => void
  count: { count: number; more: boolean } | null
  searchRef: RefObject<HTMLInputElement | null>
}

const KINDS: readonly { kind: Filters['kind']; label: string }[] = [
  { kind: 'all', label: 'All' },
  { kind: 'photo', label: 'Photos' },
  { kind: 'video', label: 'Videos' },
  { kind: 'audio', label: 'Audio' },
  { kind: 'other', label: 'Other' },
]

export function Toolbar({ filters, onFilters, view, onView, count, searchRef }: ToolbarProps) {
  return (
    <div className="flex flex-wrap items-center gap-x-3 gap-y-2 px-3 py-2 md:px-4">
      <div className="relative min-w-0 flex-1 md:w-72 md:flex-none">
        <Search className="pointer-events-none absolute top-1/2 left-2.5 size-4 -translate-y-1/2 text-ink-faint" aria-hidden />
        <Input
          ref={searchRef}
          look="dense"
          type="search"
          aria-label="Search names, folders, cameras, lenses, codecs"
          placeholder="Search names, folders, cameras …"
          value={filters.text}
          maxLength={200}
          onChange={(event) => onFilters({ ...filters, text: event.target.value })}
          onKeyDown={(event) => {
            if (event.key === 'Escape') event.currentTarget.blur()
          }}
          className="pl-8 [&::-webkit-search-cancel-button]:hidden"
        />
        {filters.text === '' ? null : (
          <IconButton
            label="Clear the search"
            size="sm"
            className="absolute top-1/2 right-0.5 -translate-y-1/2"
            onClick={() => onFilters({ ...filters, text: '' })}
          >
            <X className="size-4" aria-hidden />
          </IconButton>
        )}
      </div>
      <fieldset className="order-3 flex w-full min-w-0 items-center gap-1 overflow-x-auto md:order-none md:w-auto">
        <legend className="sr-only">Kind of file</legend>
        {KINDS.map(({ kind, label }) => (
          <button
            key={kind}
            type="button"
            aria-pressed={filters.kind === kind}
            onClick={() => onFilters({ ...filters, kind })}
            className={cx(
              'h-7 shrink-0 rounded-md px-2.5 text-base transition-colors duration-[120ms] pointer-coarse:h-9',
              filters.kind === kind ? 'bg-hover text-ink' : 'text-ink-soft hover:text-ink',
            )}
          >
            {label}
          </button>
        ))}
      </fieldset>
      <div className="flex items-center gap-1 md:ml-auto">
        <span className="mr-2 text-base whitespace-nowrap text-ink-faint max-md:hidden" aria-live="polite">
          {count === null ? '' : `${count.count.toLocaleString('en')}${count.more ? '+' : ''} ${count.count === 1 ? 'file' : 'files'}`}
        </span>
        <FilterMenu filters={filters} onFilters={onFilters} />
        <ViewMenu view={view} onView={onView} />
      </div>
      <ActiveFilters filters={filters} onFilters={onFilters} />
    </div>
  )
}

function FilterMenu({ filters, onFilters }: Pick<ToolbarProps, 'filters' | 'onFilters'>) {
  const trpc = useTRPC()
  const models = useQuery(trpc.asset.cameraModels.queryOptions())
  const cameras = (models.data ?? []).slice(0, 12)
  return (
    <Menu
      trigger={
        <IconButton label="Filter by rating or camera">
          <SlidersHorizontal className="size-4" aria-hidden />
        </IconButton>
      }
      items={[
        ...[5, 4, 3, 1].map((rating) => ({
          label: rating === 5 ? '5 stars' : `${rating} ${rating === 1 ? 'star' : 'stars'} and more`,
          icon: <Star className="size-4" aria-hidden />,
          onSelect: () => onFilters({ ...filters, rating }),
        })),
        ...(cameras.length > 0 ? [null] : []),
        ...cameras.map(({ cameraModel, count }) => ({
          label: cameraModel,
          icon: <Camera className="size-4" aria-hidden />,
          keys: count.toLocaleString('en'),
          onSelect: () => onFilters({ ...filters, cameraModel }),
        })),
      ]}
    />
  )
}

function ViewMenu({ view, onView }: Pick<ToolbarProps, 'view' | 'onView'>) {
  return (
    <Menu
      trigger={
        <IconButton label="View">
          {view.mode === 'square' ? <Grid2x2 className="size-4" aria-hidden /> : <LayoutDashboard className="size-4" aria-hidden />}
        </IconButton>
      }
      items={[
        {
          label: 'Whole pictures',
          icon: <LayoutDashboard className="size-4" aria-hidden />,
          onSelect: () => onView({ ...view, mode: 'justified' }),
        },
        { label: 'Squares', icon: <Grid2x2 className="size-4" aria-hidden />, onSelect: () => onView({ ...view, mode: 'square' }) },
        null,
        { label: 'Small', onSelect: () => onView({ ...view, size: 's' }) },
        { label: 'Medium', onSelect: () => onView({ ...view, size: 'm' }) },
        { label: 'Large', onSelect: () => onView({ ...view, size: 'l' }) },
      ]}
    />
  )
}

function ActiveFilters({ filters, onFilters }: Pick<ToolbarProps, 'filters' | 'onFilters'>) {
  const active = [
    ...(filters.cameraModel === null ? [] : [{ label: filters.cameraModel, without: { ...filters, cameraModel: null } }]),
    ...(filters.rating === 0 ? [] : [{ label: `${filters.rating}+ stars`, without: { ...filters, rating: 0 } }]),
  ]
  if (active.length === 0) return null
  return (
    <div className="order-4 flex w-full flex-wrap gap-2">
      {active.map(({ label, without }) => (
        <button
          key={label}
          type="button"
          onClick={() => onFilters(without)}
          aria-label={`Take the filter ${label} away`}
          className="inline-flex h-7 items-center gap-1.5 rounded-md border border-line-strong px-2 text-sm text-ink hover:bg-hover"
        >
          {label}
          <X className="size-3.5 text-ink-faint" aria-hidden />
        </button>
      ))}
      <button type="button" onClick={() => onFilters(NO_FILTERS)} className="h-7 px-1 text-sm text-ink-soft hover:text-ink">
        Clear all
      </button>
    </div>
  )
}
