'use client'
import { Button } from '@thatdam/ui/button'
import { EmptyState } from '@thatdam/ui/empty-state'
import { Skeleton } from '@thatdam/ui/skeleton'
import { HardDrive, Video } from 'lucide-react'
import type { AgentState } from '../client.tsx'
import { bytes, count } from '../format.tsx'
import { PageLink } from '../navigation.tsx'
import { useLiveState } from '../state.tsx'
import { captureOf, machinesWithCameras, type MachineWithCameras } from './by-machine.tsx'
import { CameraTile } from './camera-tile.tsx'

/** All cameras of the ring, live; apart by machine when they are connected to several. */
export function Monitor() {
  const agent = useLiveState().state?.agent ?? null
  const machines = agent === null ? [] : machinesWithCameras(agent)
  return (
    <div className="flex h-full flex-col overflow-y-auto p-3 md:p-4">
      <header className="flex flex-wrap items-baseline gap-x-4 gap-y-1 pb-3">
        <h1 className="text-xl font-semibold">Monitor</h1>
        {agent === null ? null : <Summary agent={agent} machines={machines} />}
      </header>
      {agent === null ? (
        <div className={GRID}>
          <Skeleton className="aspect-video" />
          <Skeleton className="aspect-video" />
        </div>
      ) : machines.length === 0 ? (
        <EmptyState
          icon={<Video />}
          title="No camera found"
          action={
            <Button asChild>
              <PageLink page="nodes">Add a machine with a camera</PageLink>
            </Button>
          }
        >
          Plug a camera into {agent.settings.name}; it shows up here by itself. Cameras of other machines of the ring show up here too.
        </EmptyState>
      ) : (
        <div className="flex flex-col gap-6">
          {machines.map((machine) => (
            <Machine key={machine.nodeId} agent={agent} machine={machine} named={machines.length > 1} />
          ))}
        </div>
      )}
    </div>
  )
}

/** One camera is as large as the page allows; more share it evenly. */
const GRID = 'grid gap-3 [grid-template-columns:repeat(auto-fit,minmax(min(100%,440px),1fr))] [&>*:only-child]:max-w-[1200px]'
/** Beside other machines a single camera is no larger than theirs. */
const GRID_OF_SEVERAL = 'grid gap-3 [grid-template-columns:repeat(auto-fill,minmax(min(100%,440px),1fr))]'

function Machine({ agent, machine, named }: { agent: AgentState; machine: MachineWithCameras; named: boolean }) {
  return (
    <section aria-label={machine.name} className="flex flex-col gap-2">
      {named ? (
        <h2 className="flex flex-wrap items-center gap-x-3 text-lg font-semibold">
          <span className="[overflow-wrap:anywhere]">{machine.name}</span>
          <RoomLeft room={machine.roomBytes} />
        </h2>
      ) : null}
      <div className={named ? GRID_OF_SEVERAL : GRID}>
        {machine.cameras.map((camera) => (
          <CameraTile
            key={camera.camera.cameraId}
            camera={camera}
            capture={captureOf(agent, camera)}
            machine={machine.name}
            isHere={machine.isHere}
          />
        ))}
      </div>
    </section>
  )
}

function Summary({ agent, machines }: { agent: AgentState; machines: readonly MachineWithCameras[] }) {
  const live = agent.cameras.filter((camera) => camera.state === 'live').length
  return (
    <p className="flex flex-wrap gap-x-4 text-base text-ink-soft">
      <span>
        {live} of {count(agent.cameras.length, 'camera', 'cameras')} live
        {machines.length > 1 ? ` on ${machines.length} machines` : ''}
      </span>
      {machines.length === 1 ? <RoomLeft room={machines[0]?.roomBytes ?? null} /> : null}
    </p>
  )
}

function RoomLeft({ room }: { room: number | null }) {
  if (room === null) return null
  return (
    <span className="inline-flex items-center gap-1.5 text-base font-normal text-ink-soft">
      <HardDrive className="size-3.5" aria-hidden /> {bytes(room)} for recordings
    </span>
  )
}
