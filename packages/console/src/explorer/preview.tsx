'use client'
import { Button, IconButton } from '@thatdam/ui/button'
import { cx } from '@thatdam/ui/cx'
import { ArrowLeft, ArrowRight, Download, Info, Pencil, Star, Trash2, TriangleAlert, Undo2, X } from 'lucide-react'
import { Dialog as Radix } from 'radix-ui'
import { useRef, useState } from 'react'
import type { Asset } from '../client.tsx'
import { useAssetConflicts } from '../conflicts/use-conflicts.tsx'
import { useKeys } from '../keys.tsx'
import { useLinks } from '../links.tsx'
import { Details } from './details.tsx'
import { Player } from './player.tsx'
import { RenameDialog } from './rename-dialog.tsx'
import { KIND_ICONS } from './tile.tsx'
import type { AssetActions } from './use-actions.tsx'

export interface PreviewProps {
  asset: Asset
  /** Of all that match, when known: "3 of 120". */
  place: string
  onMove: (by: 1 | -1) => void
  onClose: () => void
  actions: AssetActions
}

/** One file over the whole window, black around it in either theme: nothing beside the picture has a colour. */
export function Preview({ asset, place, onMove, onClose, actions }: PreviewProps) {
  const [showsDetails, setShowsDetails] = useState(false)
  const [renames, setRenames] = useState(false)
  const { conflicts } = useAssetConflicts(asset.id)
  const swipe = useSwipe(onMove)
  const plays = asset.kind === 'video' || asset.kind === 'audio'
  const leave = (): void => {
    if (asset.trashed) actions.restore(asset)
    else actions.trash(asset)
    onMove(1)
  }
  useKeys(
    {
      ArrowLeft: () => onMove(-1),
      ArrowRight: () => onMove(1),
      i: () => setShowsDetails((shown) => !shown),
      x: leave,
      r: () => setRenames(true),
      ...Object.fromEntries([0, 1, 2, 3, 4, 5].map((rating) => [String(rating), () => actions.rate(asset, rating)])),
      ...(plays
        ? {}
        : {
            ' ': (event: KeyboardEvent) => {
              event.preventDefault()
              onClose()
            },
          }),
    },
    !renames,
    'preview',
  )
  return (
    <Radix.Root
      open
      onOpenChange={(open) => {
        if (!open) onClose()
      }}
    >
      <Radix.Portal>
        <Radix.Content
          aria-describedby={undefined}
          onOpenAutoFocus={(event) => event.preventDefault()}
          className="fixed inset-0 z-40 flex flex-col bg-[oklch(0.12_0_0)] text-[oklch(0.93_0_0)] outline-none"
          data-testid="preview"
        >
          <Header
            asset={asset}
            place={place}
            showsDetails={showsDetails}
            toChoose={conflicts.length > 0}
            onDetails={() => setShowsDetails(!showsDetails)}
            onRename={() => setRenames(true)}
            onLeave={leave}
            onClose={onClose}
          />
          <div className="flex min-h-0 flex-1">
            <div className="relative flex min-w-0 flex-1 items-center justify-center" {...swipe}>
              {plays ? <Player key={asset.id} asset={asset} active={!renames} /> : <Still asset={asset} />}
              <Arrow side="left" onClick={() => onMove(-1)} />
              <Arrow side="right" onClick={() => onMove(1)} />
            </div>
            {showsDetails ? (
              <aside className="w-80 shrink-0 overflow-y-auto border-l border-line bg-surface text-ink max-md:absolute max-md:inset-x-0 max-md:bottom-0 max-md:z-10 max-md:max-h-[60dvh] max-md:w-auto max-md:border-t max-md:border-l-0">
                <Details id={asset.id} />
              </aside>
            ) : null}
          </div>
          <Rating asset={asset} actions={actions} />
          {renames ? <RenameDialog asset={asset} onClose={() => setRenames(false)} /> : null}
        </Radix.Content>
      </Radix.Portal>
    </Radix.Root>
  )
}

const SWIPE_PIXELS = 56

/** A finger's way to the next file; mostly up or down is no swipe. */
function useSwipe(onMove: (by: 1 | -1) => void) {
  const from = useRef<{ x: number; y: number } | null>(null)
  return {
    onTouchStart: (event: React.TouchEvent) => {
      const touch = event.touches[0]
      from.current = touch === undefined || event.touches.length > 1 ? null : { x: touch.clientX, y: touch.clientY }
    },
    onTouchEnd: (event: React.TouchEvent) => {
      const touch = event.changedTouches[0]
      if (from.current === null || touch === undefined) return
      const x = touch.clientX - from.current.x
      const y = touch.clientY - from.current.y
      from.current = null
      if (Math.abs(x) > SWIPE_PIXELS && Math.abs(x) > 2 * Math.abs(y)) onMove(x < 0 ? 1 : -1)
    },
  }
}

const ON_BLACK = 'text-[oklch(0.82_0_0)]! hover:bg-[oklch(0.25_0_0)]! hover:text-[oklch(0.98_0_0)]!'

function Header(props: {
  asset: Asset
  place: string
  showsDetails: boolean
  /** Details hold values to choose from. */
  toChoose: boolean
  onDetails: () => void
  onRename: () => void
  onLeave: () => void
  onClose: () => void
}) {
  const { asset } = props
  const links = useLinks()
  return (
    <header className="flex h-12 shrink-0 items-center gap-1 px-2 md:px-3">
      <IconButton label="Close" className={ON_BLACK} onClick={props.onClose}>
        <X className="size-4" aria-hidden />
      </IconButton>
      <Radix.Title className="min-w-0 flex-1 truncate px-1 text-base font-medium">{asset.title}</Radix.Title>
      <span className="px-2 text-sm whitespace-nowrap text-[oklch(0.65_0_0)] max-sm:hidden">{props.place}</span>
      <IconButton label="Rename" className={ON_BLACK} onClick={props.onRename}>
        <Pencil className="size-4" aria-hidden />
      </IconButton>
      {asset.places === 0 ? null : (
        <Button asChild variant="quiet" className={cx('size-8 px-0! pointer-coarse:size-10', ON_BLACK)}>
          <a href={links.download(asset.id, asset.title)} aria-label="Download" title="Download">
            <Download className="size-4" aria-hidden />
          </a>
        </Button>
      )}
      <IconButton label={asset.trashed ? 'Take out of the trash' : 'Move to trash'} className={ON_BLACK} onClick={props.onLeave}>
        {asset.trashed ? <Undo2 className="size-4" aria-hidden /> : <Trash2 className="size-4" aria-hidden />}
      </IconButton>
      <IconButton
        label={props.toChoose ? 'Details: two values to choose from' : 'Details'}
        aria-pressed={props.showsDetails}
        className={ON_BLACK}
        onClick={props.onDetails}
      >
        {props.toChoose ? <TriangleAlert className="size-4 text-accent" aria-hidden /> : <Info className="size-4" aria-hidden />}
      </IconButton>
    </header>
  )
}

function Arrow({ side, onClick }: { side: 'left' | 'right'; onClick: () => void }) {
  const Icon = side === 'left' ? ArrowLeft : ArrowRight
  return (
    <IconButton
      label={side === 'left' ? 'Previous' : 'Next'}
      onClick={onClick}
      className={cx('absolute top-1/2 -translate-y-1/2 max-sm:hidden', side === 'left' ? 'left-2' : 'right-2', ON_BLACK)}
    >
      <Icon className="size-5" aria-hidden />
    </IconButton>
  )
}

function Still({ asset }: { asset: Asset }) {
  const links = useLinks()
  const [failed, setFailed] = useState<string | null>(null)
  const Icon = KIND_ICONS[asset.kind]
  if (asset.thumb !== 'made' || failed === asset.id) {
    return (
      <div className="flex max-w-md flex-col items-center gap-3 p-6 text-center text-lg text-[oklch(0.8_0_0)]">
        <Icon className="size-12 stroke-1 text-[oklch(0.6_0_0)]" aria-hidden />
        <p>{stillReason(asset)}</p>
      </div>
    )
  }
  return (
    <img
      src={links.thumb(asset.id, 'thumb-1280')}
      alt={asset.title}
      onError={() => setFailed(asset.id)}
      className="absolute inset-0 size-full object-contain md:px-14"
      style={{
        background: `center / contain no-repeat url("${links.thumb(asset.id, 'thumb-320')}")`,
        backgroundClip: 'content-box',
        backgroundOrigin: 'content-box',
      }}
    />
  )
}

function stillReason(asset: Asset): string {
  if (asset.thumb === 'failed') return `It cannot be shown: ${asset.thumbReason}`
  if (asset.kind === 'other') return 'There is no preview for this kind of file. Download it to look at it.'
  return asset.thumb === 'waiting' ? 'Its preview is being made.' : 'Its preview is not here now: the machine that holds it may be away.'
}

function Rating({ asset, actions }: { asset: Asset; actions: AssetActions }) {
  return (
    <footer className="flex h-11 shrink-0 items-center justify-center gap-0.5">
      {[1, 2, 3, 4, 5].map((rating) => (
        <IconButton
          key={rating}
          label={asset.rating === rating ? 'Take the rating away' : `Rate ${rating} of 5`}
          size="sm"
          aria-pressed={asset.rating >= rating}
          className={ON_BLACK}
          onClick={() => actions.rate(asset, asset.rating === rating ? 0 : rating)}
        >
          <Star className={cx('size-4', asset.rating >= rating && 'fill-current text-accent')} aria-hidden />
        </IconButton>
      ))}
    </footer>
  )
}
