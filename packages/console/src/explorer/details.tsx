'use client'
import { useQuery } from '@tanstack/react-query'
import { Skeleton } from '@thatdam/ui/skeleton'
import type { ReactNode } from 'react'
import { useTRPC, type AssetDetail } from '../client.tsx'
import { ConflictChoice } from '../conflicts/conflict-choice.tsx'
import { useAssetConflicts } from '../conflicts/use-conflicts.tsx'
import { bytes, clock, dateTime } from '../format.tsx'
import { useLiveState } from '../state.tsx'

/** What is known of one file, and where its bytes lie. */
export function Details({ id }: { id: string }) {
  const trpc = useTRPC()
  const { data } = useQuery(trpc.asset.get.queryOptions({ id }))
  const conflicts = useAssetConflicts(id)
  if (data === undefined) {
    return (
      <div className="flex flex-col gap-3 p-4">
        {[0, 1, 2, 3, 4, 5].map((row) => (
          <Skeleton key={row} className="h-5" />
        ))}
      </div>
    )
  }
  return (
    <div className="flex flex-col gap-5 p-4">
      <ConflictChoice {...conflicts} />
      <dl className="grid grid-cols-[88px_1fr] gap-x-3 gap-y-1.5 text-base">
        {facts(data).map(([name, value]) => (
          <Fact key={name} name={name}>
            {value}
          </Fact>
        ))}
      </dl>
      <Places asset={data} />
    </div>
  )
}

function Fact({ name, children }: { name: string; children: ReactNode }) {
  return (
    <>
      <dt className="text-ink-faint">{name}</dt>
      <dd className="min-w-0 [overflow-wrap:anywhere] text-ink">{children}</dd>
    </>
  )
}

function facts({ media, sizeBytes, sortMs, capture }: AssetDetail): [string, string][] {
  const rows: [string, string | null][] = [
    [capture === null ? (media.takenAtMs === null ? 'Dated' : 'Taken') : 'Recorded', dateTime(sortMs, media.takenAtZone)],
    ['Size', bytes(sizeBytes)],
    ['Picture', media.width === null || media.height === null ? null : `${media.width} × ${media.height}`],
    ['Length', media.durationMs === null ? null : clock(media.durationMs)],
    ['Frame rate', media.fps === null ? null : `${Math.round(media.fps * 1000) / 1000} fps`],
    ['Codec', [media.videoCodec, media.audioCodec].filter(Boolean).join(', ') || null],
    ['Timecode', media.timecode],
    ['Camera', [media.cameraMake, media.cameraModel].filter(Boolean).join(' ') || null],
    ['Lens', media.lens],
    ['Type', media.mimeType],
  ]
  return rows.filter((row): row is [string, string] => row[1] !== null)
}

function Places({ asset }: { asset: AssetDetail }) {
  const members = useLiveState().state?.agent?.members ?? []
  const nameOf = (nodeId: string): string => members.find((member) => member.nodeId === nodeId)?.name ?? nodeId
  const copies = asset.storedOn.length
  return (
    <section className="flex flex-col gap-2">
      <h3 className="text-base font-semibold text-ink">Where it is</h3>
      <p className="text-base text-ink-soft">{safety(copies, asset.locations.length)}</p>
      <ul className="flex flex-col gap-2 text-base">
        {asset.storedOn.map((nodeId) => (
          <li key={nodeId} className="text-ink">
            {nameOf(nodeId)} <span className="text-ink-faint">· stored copy</span>
          </li>
        ))}
        {asset.locations.map((place) => (
          <li key={`${place.nodeId} ${place.root} ${place.path}`} className="text-ink">
            {nameOf(place.nodeId)}
            <span className="block font-mono text-sm [overflow-wrap:anywhere] text-ink-faint">
              {place.root}/{place.path}
            </span>
          </li>
        ))}
      </ul>
    </section>
  )
}

/** An original in its folder counts as no copy: it can be edited or deleted there at any time. */
function safety(copies: number, originals: number): string {
  if (copies === 0) return originals === 0 ? 'No machine has it any more.' : 'Only your original: no stored copy yet.'
  return copies === 1 ? 'One stored copy, on one machine.' : `${copies} copies, safe to unplug one.`
}
