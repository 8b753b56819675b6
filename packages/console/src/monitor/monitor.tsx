'use client'
import { EmptyState } from '@thatdam/ui/empty-state'
import { Skeleton } from '@thatdam/ui/skeleton'
import { HardDrive, Video } from 'lucide-react'
import type { AgentState } from '../client.tsx'
import { bytes, count } from '../format.tsx'
import { useLiveState } from '../state.tsx'
import { CameraTile } from './camera-tile.tsx'

/** All cameras, live. */
export function Monitor() {
  const agent = useLiveState().state?.agent ?? null
  return (
    <div className="flex h-full flex-col overflow-y-auto p-3 md:p-4">
      <header className="flex flex-wrap items-baseline gap-x-4 gap-y-1 pb-3">
        <h1 className="text-xl font-semibold">Monitor</h1>
        {agent === null ? null : <Summary agent={agent} />}
      </header>
      {agent === null ? (
        <div className={GRID}>
          <Skeleton className="aspect-video" />
          <Skeleton className="aspect-video" />
        </div>
      ) : agent.cameras.length === 0 ? (
        <EmptyState icon={<Video />} title="No camera found">
          Plug a camera into {agent.settings.name}; it shows up here by itself. Cameras on other machines show up when those join the ring.
        </EmptyState>
      ) : (
        <div className={GRID}>
          {agent.cameras.map((camera) => (
            <CameraTile
              key={camera.camera.cameraId}
              camera={camera}
              capture={captureOf(agent, camera.camera.cameraId)}
              machine={agent.settings.name}
            />
          ))}
        </div>
      )}
    </div>
  )
}

/** One camera is as large as the page allows; more share it evenly. */
const GRID = 'grid gap-3 [grid-template-columns:repeat(auto-fit,minmax(min(100%,440px),1fr))] [&>*:only-child]:max-w-[1200px]'

/** The newest recording of a camera that is not finished; a finished one only says so for as long as the daemon names it. */
function captureOf(agent: AgentState, cameraId: string): AgentState['captures'][number] | null {
  const own = agent.captures.filter((capture) => capture.cameraId === cameraId).toSorted((a, b) => b.startedAtMs - a.startedAtMs)
  return (
    own.find((capture) => capture.state !== 'sealed' && capture.state !== 'failed') ??
    own.find((capture) => capture.state === 'failed') ??
    null
  )
}

function Summary({ agent }: { agent: AgentState }) {
  const live = agent.cameras.filter((camera) => camera.state === 'live').length
  const free = Math.max(0, agent.store.diskFreeBytes - agent.store.reserveBytes)
  return (
    <p className="flex flex-wrap gap-x-4 text-base text-ink-soft">
      <span>
        {live} of {count(agent.cameras.length, 'camera', 'cameras')} live
      </span>
      <span className="inline-flex items-center gap-1.5">
        <HardDrive className="size-3.5" aria-hidden /> {bytes(free)} for recordings
      </span>
    </p>
  )
}
