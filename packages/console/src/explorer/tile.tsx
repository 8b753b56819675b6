'use client'
import { cx } from '@thatdam/ui/cx'
import { CircleAlert, File as FileIcon, Film, Image as ImageIcon, Music, Star, Unplug } from 'lucide-react'
import { memo, useState } from 'react'
import type { Asset } from '../client.tsx'
import { clock } from '../format.tsx'
import { useLinks } from '../links.tsx'
import type { Box } from './layout.tsx'

export const KIND_ICONS = { photo: ImageIcon, video: Film, audio: Music, other: FileIcon } as const

export interface TileProps {
  asset: Asset
  box: Box
  selected: boolean
  /** One of all tiles is reached by Tab; arrow keys go on from it. */
  tabbable: boolean
  /** Names below squares are left out where there is no room. */
  large: boolean
  onSelect: (index: number) => void
  onOpen: (id: string) => void
}

/** One file: its picture, or what is known instead, in its final size from the first moment. */
export const Tile = memo(function Tile({ asset, box, selected, tabbable, large, onSelect, onOpen }: TileProps) {
  return (
    <button
      type="button"
      data-asset={asset.id}
      data-index={box.index}
      aria-label={`${asset.title}${asset.durationMs === null ? '' : `, ${clock(asset.durationMs)}`}`}
      tabIndex={tabbable ? 0 : -1}
      onFocus={() => onSelect(box.index)}
      onClick={() => onOpen(asset.id)}
      style={{ transform: `translate(${box.left}px, ${box.top}px)`, width: box.width, height: box.height }}
      className={cx(
        'group absolute top-0 left-0 overflow-hidden rounded-[3px] bg-surface text-left outline-offset-[-2px] [content-visibility:auto]',
        selected && 'z-10 outline-2 outline-accent',
      )}
    >
      <Picture asset={asset} large={large} />
      <Marks asset={asset} />
      <span className="pointer-events-none absolute inset-x-0 bottom-0 truncate bg-[oklch(0.1_0_0/0.72)] px-2 py-1 text-xs text-[oklch(0.96_0_0)] opacity-0 transition-opacity duration-[120ms] group-hover:opacity-100 group-focus-visible:opacity-100">
        {asset.title}
      </span>
    </button>
  )
})

function Picture({ asset, large }: { asset: Asset; large: boolean }) {
  const links = useLinks()
  const [failed, setFailed] = useState(false)
  const Icon = KIND_ICONS[asset.kind]
  if (asset.thumb === 'made' && !failed) {
    return (
      <img
        src={links.thumb(asset.id, large ? 'thumb-1280' : 'thumb-320')}
        alt=""
        draggable={false}
        decoding="async"
        onError={() => setFailed(true)}
        className="size-full object-cover"
      />
    )
  }
  const waits = asset.thumb === 'waiting' && (asset.kind === 'photo' || asset.kind === 'video')
  return (
    <span
      className={cx('flex size-full flex-col items-center justify-center gap-2 bg-hover/70 p-2 text-ink-faint', waits && 'animate-breathe')}
    >
      {asset.thumb === 'failed' ? <CircleAlert className="size-5" aria-hidden /> : <Icon className="size-6 stroke-[1.5]" aria-hidden />}
      <span className="line-clamp-2 max-w-full text-center text-xs [overflow-wrap:anywhere] text-ink-soft">{asset.title}</span>
      {asset.thumb === 'failed' ? <span className="line-clamp-2 text-center text-xs">{asset.thumbReason}</span> : null}
    </span>
  )
}

/** White on a dark plate: readable on any picture. */
const PLATE = 'inline-flex h-[18px] items-center gap-1 rounded-[3px] bg-[oklch(0.1_0_0/0.72)] px-1 text-xs text-[oklch(0.96_0_0)]'

function Marks({ asset }: { asset: Asset }) {
  return (
    <span className="pointer-events-none absolute inset-x-1 top-1 flex items-start justify-between gap-1">
      <span className="flex gap-1">
        {asset.places === 0 ? (
          <span className={PLATE} title="No machine has this file any more">
            <Unplug className="size-3" aria-hidden /> Missing
          </span>
        ) : null}
        {asset.origin === 'recorded' ? <span className={PLATE}>Recording</span> : null}
      </span>
      <span className="flex gap-1">
        {asset.rating > 0 ? (
          <span className={PLATE} aria-label={`Rated ${asset.rating} of 5`}>
            {asset.rating}
            <Star className="size-2.5 fill-current" aria-hidden />
          </span>
        ) : null}
        {asset.durationMs === null ? null : (
          <span className={PLATE}>
            {asset.kind === 'audio' ? <Music className="size-3" aria-hidden /> : null}
            {clock(asset.durationMs)}
          </span>
        )}
      </span>
    </span>
  )
}
