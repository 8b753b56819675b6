'use client'
import { useMutation } from '@tanstack/react-query'
import { Button, IconButton } from '@thatdam/ui/button'
import { cx } from '@thatdam/ui/cx'
import { Menu } from '@thatdam/ui/menu'
import { EllipsisVertical, Maximize, Pencil, Square, TriangleAlert, VideoOff } from 'lucide-react'
import { useCallback, useRef, useState } from 'react'
import { useTRPC, type AgentState } from '../client.tsx'
import { useCameraConflicts } from '../conflicts/use-conflicts.tsx'
import { bytes, clock, span } from '../format.tsx'
import { useShowError } from '../query.tsx'
import { useNow } from '../state.tsx'
import { LivePicture, type LiveMode } from './live-picture.tsx'
import { RenameCamera } from './rename-camera.tsx'

type Camera = AgentState['cameras'][number]
type Capture = AgentState['captures'][number]

export interface CameraTileProps {
  camera: Camera
  /** Its recording that runs now; null: none. */
  capture: Capture | null
  machine: string
  /** The machine is the one whose console this is. */
  isHere: boolean
}

export function CameraTile({ camera, capture, machine, isHere }: CameraTileProps) {
  const [mode, setMode] = useState<LiveMode>('connecting')
  const [renames, setRenames] = useState(false)
  const { conflicts } = useCameraConflicts(camera.camera.cameraId)
  const frame = useRef<HTMLDivElement>(null)
  const { cameraId, name } = camera.camera
  const live = camera.state === 'live'
  const onMode = useCallback((next: LiveMode) => setMode(next), [])
  const recording = capture !== null && (capture.state === 'starting' || capture.state === 'recording')
  return (
    <article
      data-camera={cameraId}
      className={cx('flex flex-col overflow-hidden rounded-lg border bg-surface', recording ? 'border-danger' : 'border-line')}
    >
      <div ref={frame} className="relative aspect-video bg-[oklch(0.1_0_0)]">
        {live ? (
          <LivePicture cameraId={cameraId} nodeId={isHere ? null : camera.nodeId} name={name} onMode={onMode} />
        ) : (
          <NoPicture camera={camera} />
        )}
        <div className="absolute top-2 left-2 flex gap-1.5">
          {live ? <LivePlate mode={mode} /> : null}
          {recording ? <RecordingPlate capture={capture} /> : null}
        </div>
      </div>
      <div className="flex items-center gap-2 p-3">
        <div className="min-w-0 flex-1">
          <h3 className="truncate text-lg font-medium text-ink">{name}</h3>
          <p className="line-clamp-2 text-sm text-ink-faint">{under(camera, capture, mode, machine)}</p>
        </div>
        {conflicts.length > 0 ? (
          <Button size="sm" variant="quiet" onClick={() => setRenames(true)}>
            <TriangleAlert className="size-4 text-accent-text" aria-hidden /> Two names
          </Button>
        ) : null}
        <RecordButton camera={camera} capture={capture} />
        <Menu
          trigger={
            <IconButton label={`More for ${name}`}>
              <EllipsisVertical className="size-4" aria-hidden />
            </IconButton>
          }
          items={[
            { label: 'Rename', icon: <Pencil className="size-4" aria-hidden />, onSelect: () => setRenames(true) },
            {
              label: 'Whole screen',
              icon: <Maximize className="size-4" aria-hidden />,
              onSelect: () => void frame.current?.requestFullscreen().catch(() => undefined),
            },
          ]}
        />
      </div>
      {renames ? <RenameCamera cameraId={cameraId} name={name} onClose={() => setRenames(false)} /> : null}
    </article>
  )
}

function under(camera: Camera, capture: Capture | null, mode: LiveMode, machine: string): string {
  if (capture !== null && capture.state !== 'sealed') {
    const left = capture.diskSecondsLeft === null ? '' : ` · room for ${span(capture.diskSecondsLeft)}`
    if (capture.state === 'sealing') return `Saving ${bytes(capture.sizeBytes)} …`
    if (capture.state === 'failed') return `Recording failed: ${capture.reason}`
    return `Recording on ${machine} · ${bytes(capture.sizeBytes)}${left}`
  }
  if (camera.state !== 'live') return machine
  const picture = camera.width === null || camera.height === null ? '' : ` · ${camera.width} × ${camera.height}`
  const rate = camera.fps === null ? '' : ` · ${Math.round(camera.fps)} fps`
  if (mode === 'mjpeg') return `${machine} · simple picture, as WebRTC does not come through`
  if (mode === 'snapshots') return `${machine} · one picture a second, as WebRTC does not come through`
  return `${machine}${picture}${rate}`
}

const PLATE = 'inline-flex h-5 items-center gap-1.5 rounded-sm px-1.5 text-xs font-semibold'

function LivePlate({ mode }: { mode: LiveMode }) {
  if (mode === 'connecting') return <span className={cx(PLATE, 'bg-[oklch(0.1_0_0/0.72)] text-[oklch(0.9_0_0)]')}>Connecting …</span>
  return (
    <span className={cx(PLATE, 'bg-accent text-accent-ink')} data-testid="live">
      Live
    </span>
  )
}

function RecordingPlate({ capture }: { capture: Capture }) {
  const now = useNow(500)
  return (
    <span className={cx(PLATE, 'bg-danger text-white')} data-testid="recording">
      <span className="size-2 animate-breathe rounded-full bg-white" aria-hidden />
      REC <span className="font-mono font-normal">{clock(Math.max(capture.recordedMs, now - capture.startedAtMs))}</span>
    </span>
  )
}

function NoPicture({ camera }: { camera: Camera }) {
  const words: Record<Camera['state'], string> = {
    starting: 'The camera is starting.',
    live: '',
    gone: 'The camera is away.',
    busy: 'Another program uses the camera.',
    failed: 'The camera does not work.',
    'waiting-ffmpeg': 'ffmpeg is missing on this machine.',
  }
  return (
    <div className="flex size-full flex-col items-center justify-center gap-2 p-6 text-center text-[oklch(0.72_0_0)]">
      <VideoOff className="size-6 stroke-[1.5]" aria-hidden />
      <p className="max-w-sm text-base">{camera.reason || words[camera.state]}</p>
    </div>
  )
}

/** The one red thing on the page. */
function RecordButton({ camera, capture }: Pick<CameraTileProps, 'camera' | 'capture'>) {
  const trpc = useTRPC()
  const showError = useShowError()
  const start = useMutation(trpc.capture.start.mutationOptions({ onError: showError }))
  const stop = useMutation(trpc.capture.stop.mutationOptions({ onError: showError }))
  const { cameraId, name } = camera.camera
  const running = capture !== null && (capture.state === 'starting' || capture.state === 'recording')
  if (running) {
    return (
      <Button
        variant="danger"
        busy={stop.isPending}
        onClick={() => stop.mutate({ captureId: capture.captureId, nodeId: capture.nodeId })}
        aria-label={`Stop recording ${name}`}
      >
        <Square className="size-3.5 fill-current" aria-hidden /> Stop
      </Button>
    )
  }
  return (
    <Button
      disabled={camera.state !== 'live' || capture?.state === 'sealing'}
      busy={start.isPending}
      onClick={() => start.mutate({ cameraId, nodeId: camera.nodeId })}
      aria-label={`Record ${name}`}
    >
      <span className="size-3 rounded-full bg-danger" aria-hidden /> Record
    </Button>
  )
}
