'use client'
import { Button } from '@thatdam/ui/button'
import { Download, Music } from 'lucide-react'
import { useEffect, useRef, useState } from 'react'
import type { Asset } from '../client.tsx'
import { clock } from '../format.tsx'
import { useKeys } from '../keys.tsx'
import { useLinks } from '../links.tsx'

const SPEEDS = [1, 2, 4, 8]
/** A step for files that do not tell their frame rate. */
const FRAME_SECONDS = 1 / 25
const REVERSE_TICK_MS = 80

/** Plays by range requests; J-K-L as editors expect, also backwards. */
export function Player({ asset, active }: { asset: Asset; active: boolean }) {
  const links = useLinks()
  const media = useRef<HTMLVideoElement>(null)
  const [shuttle, setShuttle] = useState(0)
  const [failed, setFailed] = useState(false)
  useEffect(() => shuttleMedia(media.current, shuttle), [shuttle])
  const toggle = (): void => {
    const element = media.current
    if (element === null) return
    setShuttle(0)
    element.playbackRate = 1
    if (element.paused) void element.play().catch(() => undefined)
    else element.pause()
  }
  const push = (direction: 1 | -1): void =>
    setShuttle((now) => (Math.sign(now) === direction ? direction * Math.min(SPEEDS.length, Math.abs(now) + 1) : direction))
  const step = (direction: 1 | -1): void => {
    const element = media.current
    if (element === null) return
    setShuttle(0)
    element.pause()
    element.currentTime = Math.max(0, element.currentTime + direction * FRAME_SECONDS)
  }
  useKeys(
    {
      ' ': (event) => {
        event.preventDefault()
        toggle()
      },
      k: () => {
        setShuttle(0)
        media.current?.pause()
      },
      l: () => push(1),
      j: () => push(-1),
      ',': () => step(-1),
      '.': () => step(1),
    },
    active && !failed,
    'preview',
  )
  if (failed) return <CannotPlay asset={asset} />
  const speed = shuttle === 0 ? null : `${shuttle < 0 ? '−' : ''}${SPEEDS[Math.abs(shuttle) - 1] ?? 1}×`
  return (
    <div className="relative flex size-full items-center justify-center">
      {asset.kind === 'audio' ? (
        <div className="flex w-full max-w-xl flex-col items-center gap-6 px-6">
          <Music className="size-16 stroke-1 text-[oklch(0.6_0_0)]" aria-hidden />
          <video
            ref={media}
            src={links.original(asset.id)}
            controls
            autoPlay
            onError={() => setFailed(true)}
            className="h-14 w-full"
            aria-label={asset.title}
          >
            <track kind="captions" />
          </video>
        </div>
      ) : (
        <video
          ref={media}
          src={links.original(asset.id)}
          {...(asset.thumb === 'made' ? { poster: links.thumb(asset.id, 'thumb-1280') } : {})}
          controls
          autoPlay
          playsInline
          onError={() => setFailed(true)}
          className="max-h-full max-w-full"
          aria-label={asset.title}
        >
          <track kind="captions" />
        </video>
      )}
      {speed === null ? null : (
        <span className="absolute top-3 left-1/2 -translate-x-1/2 rounded-sm bg-[oklch(0.1_0_0/0.72)] px-2 py-0.5 font-mono text-base text-[oklch(0.96_0_0)]">
          {speed}
        </span>
      )}
    </div>
  )
}

/** Forward by the player's own rate; browsers do not play backwards, so that is seeks. Returns what ends it. */
function shuttleMedia(element: HTMLVideoElement | null, shuttle: number): (() => void) | undefined {
  if (element === null || shuttle === 0) return undefined
  const speed = SPEEDS[Math.abs(shuttle) - 1] ?? 1
  if (shuttle > 0) {
    element.playbackRate = speed
    void element.play().catch(() => undefined)
    return undefined
  }
  element.pause()
  element.playbackRate = 1
  const timer = setInterval(() => {
    if (!element.seeking) element.currentTime = Math.max(0, element.currentTime - (speed * REVERSE_TICK_MS) / 1000)
  }, REVERSE_TICK_MS)
  return () => clearInterval(timer)
}

function CannotPlay({ asset }: { asset: Asset }) {
  const links = useLinks()
  const why =
    asset.places === 0
      ? 'No machine has this file any more.'
      : `This browser does not play ${asset.videoCodec ?? asset.mimeType}${asset.durationMs === null ? '' : `, ${clock(asset.durationMs)}`}, or the machine with the file is away.`
  return (
    <div className="flex max-w-md flex-col items-center gap-4 p-6 text-center text-lg text-[oklch(0.85_0_0)]">
      {asset.thumb === 'made' ? (
        <img src={links.thumb(asset.id, 'thumb-1280')} alt={asset.title} className="max-h-[50dvh] max-w-full opacity-60" />
      ) : null}
      <p>{why}</p>
      {asset.places === 0 ? null : (
        <Button asChild>
          <a href={links.download(asset.id, asset.title)}>
            <Download className="size-4" aria-hidden /> Download the original
          </a>
        </Button>
      )}
    </div>
  )
}
