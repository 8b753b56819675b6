'use client'
import { Skeleton } from '@thatdam/ui/skeleton'
import { useCallback, useEffect, useMemo, useRef, useState, type RefObject } from 'react'
import type { Asset } from '../client.tsx'
import { layoutGrid, type GridLayout } from './layout.tsx'
import { Tile } from './tile.tsx'

/** Drawn beyond the edge of what is seen, pixels. */
const OVERSCAN = 600
const SKELETON_COUNT = 40
const SKELETON_ASPECTS = [1.5, 1.5, 1.78, 0.75, 1.5, 0.75, 1.78]

export interface GridProps {
  /** Null while the first page is on its way. */
  assets: readonly Asset[] | null
  mode: 'justified' | 'square'
  size: 's' | 'm' | 'l'
  selected: number
  onSelect: (index: number) => void
  onOpen: (id: string) => void
  onNearEnd: () => void
  /** The layout that is shown, for moving by arrow keys. */
  layoutRef: RefObject<GridLayout>
}

const ROW_HEIGHT = { s: 112, m: 176, l: 288 } as const

/** Draws only the tiles that are near the window: a library of any length scrolls alike. */
export function Grid({ assets, mode, size, selected, onSelect, onOpen, onNearEnd, layoutRef }: GridProps) {
  const scroller = useRef<HTMLDivElement>(null)
  const { width, height, top, onScroll } = useViewport(scroller)
  const narrow = width > 0 && width < 520
  const gap = narrow ? 2 : 4
  const shownMode = narrow ? 'square' : mode
  const layout = useMemo(
    () =>
      layoutGrid({
        aspects: assets === null ? skeletonAspects : assets.map((asset) => aspectOf(asset)),
        width,
        gap,
        rowHeight: narrow ? { s: 90, m: 120, l: 180 }[size] : ROW_HEIGHT[size],
        mode: shownMode,
      }),
    [assets, width, gap, narrow, size, shownMode],
  )
  useEffect(() => {
    layoutRef.current = layout
  }, [layout, layoutRef])
  useEffect(() => {
    if (assets !== null && width > 0 && top + height > layout.height - 1.5 * height) onNearEnd()
  }, [assets, width, top, height, layout.height, onNearEnd])
  useEffect(() => {
    const box = layout.boxes[selected]
    const element = scroller.current
    if (box === undefined || element === null || element.dataset['keys'] !== 'true') return
    if (box.top < element.scrollTop) element.scrollTop = box.top - gap
    else if (box.top + box.height > element.scrollTop + element.clientHeight)
      element.scrollTop = box.top + box.height - element.clientHeight + gap
  }, [selected, layout, gap])

  const seen = layout.boxes.filter((box) => box.top + box.height > top - OVERSCAN && box.top < top + height + OVERSCAN)
  return (
    <div ref={scroller} onScroll={onScroll} data-grid className="min-h-0 flex-1 overflow-y-auto overscroll-contain">
      <div className="relative" style={{ height: layout.height }}>
        {seen.map((box) => {
          const asset = assets?.[box.index]
          if (asset === undefined) {
            return (
              <div key={box.index} className="absolute" style={{ left: box.left, top: box.top, width: box.width, height: box.height }}>
                <Skeleton className="size-full" />
              </div>
            )
          }
          return (
            <Tile
              key={asset.id}
              asset={asset}
              box={box}
              selected={box.index === selected}
              tabbable={box.index === Math.max(0, selected)}
              large={box.height > 200 || box.width > 340}
              onSelect={onSelect}
              onOpen={onOpen}
            />
          )
        })}
      </div>
    </div>
  )
}

const skeletonAspects = Array.from({ length: SKELETON_COUNT }, (_, index) => SKELETON_ASPECTS[index % SKELETON_ASPECTS.length] ?? 1.5)

function aspectOf(asset: Asset): number | null {
  if (asset.width === null || asset.height === null || asset.height === 0) return asset.kind === 'audio' ? 1 : null
  return asset.width / asset.height
}

function useViewport(scroller: RefObject<HTMLDivElement | null>) {
  const [size, setSize] = useState({ width: 0, height: 0 })
  const [top, setTop] = useState(0)
  useEffect(() => {
    const element = scroller.current
    if (element === null) return undefined
    const observer = new ResizeObserver(() => setSize({ width: element.clientWidth, height: element.clientHeight }))
    observer.observe(element)
    return () => observer.disconnect()
  }, [scroller])
  // Rounded, so that a scroll by a few pixels draws nothing anew.
  const onScroll = useCallback(() => setTop(Math.floor((scroller.current?.scrollTop ?? 0) / 64) * 64), [scroller])
  return { ...size, top, onScroll }
}
