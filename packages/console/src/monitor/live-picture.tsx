'use client'
import { cx } from '@thatdam/ui/cx'
import { useEffect, useRef, useState } from 'react'
import { useLinks } from '../links.tsx'
import { playMjpeg } from './mjpeg.tsx'
import { playWhep } from './whep.tsx'

/** A browser keeps six connections to one console: so many pictures may hold one each, the others ask picture by picture. */
const MJPEG_MAX = 3
const SNAPSHOT_MS = 1_000
/** After this, WebRTC is tried once more. */
const RETRY_WEBRTC_MS = 60_000

let mjpegOpen = 0

export type LiveMode = 'connecting' | 'webrtc' | 'mjpeg' | 'snapshots'

export interface LivePictureProps {
  cameraId: string
  /** Null: connected to the machine whose console this is. */
  nodeId: string | null
  name: string
  /** Says how the picture comes, so that the page can tell. */
  onMode: (mode: LiveMode) => void
}

/** The camera's picture: WebRTC, else MJPEG, else single pictures. */
export function LivePicture({ cameraId, nodeId, name, onMode }: LivePictureProps) {
  const links = useLinks()
  const video = useRef<HTMLVideoElement>(null)
  const [fallback, setFallback] = useState(() => typeof RTCPeerConnection === 'undefined')
  const [playing, setPlaying] = useState(false)
  const url = links.whep(cameraId, nodeId)
  useEffect(() => {
    if (fallback) return undefined
    const element = video.current
    if (element === null) return undefined
    onMode('connecting')
    return playWhep({
      url,
      video: element,
      onPlaying: () => {
        setPlaying(true)
        onMode('webrtc')
      },
      onStalled: () => {
        setPlaying(false)
        onMode('connecting')
      },
      onGiveUp: () => setFallback(true),
    })
  }, [url, fallback, onMode])
  useEffect(() => {
    if (!fallback || typeof RTCPeerConnection === 'undefined') return undefined
    const timer = setTimeout(() => setFallback(false), RETRY_WEBRTC_MS)
    return () => clearTimeout(timer)
  }, [fallback])
  if (fallback) return <PictureByPicture cameraId={cameraId} nodeId={nodeId} name={name} onMode={onMode} />
  return (
    <video
      ref={video}
      muted
      autoPlay
      playsInline
      aria-label={`${name}, live`}
      className={cx('size-full object-contain transition-opacity duration-150', playing ? 'opacity-100' : 'opacity-0')}
    />
  )
}

function PictureByPicture({ cameraId, nodeId, name, onMode }: LivePictureProps) {
  const links = useLinks()
  const image = useRef<HTMLImageElement>(null)
  const [shown, setShown] = useState(false)
  useEffect(() => {
    const element = image.current
    if (element === null) return undefined
    const endless = mjpegOpen < MJPEG_MAX
    const tell = (comes: boolean): void => {
      setShown(comes)
      onMode(!comes ? 'connecting' : endless ? 'mjpeg' : 'snapshots')
    }
    tell(false)
    if (!endless) return askEachSecond(element, () => links.snapshot(cameraId, nodeId), tell)
    mjpegOpen++
    let url = ''
    const stop = playMjpeg({
      url: links.mjpeg(cameraId, nodeId),
      show: (jpeg) => {
        URL.revokeObjectURL(url)
        element.src = url = URL.createObjectURL(new Blob([jpeg], { type: 'image/jpeg' }))
      },
      onPlaying: () => tell(true),
      onStalled: () => tell(false),
    })
    return () => {
      stop()
      mjpegOpen--
      URL.revokeObjectURL(url)
    }
  }, [links, cameraId, nodeId, onMode])
  return <img ref={image} alt={`${name}, live`} className={cx('size-full object-contain', shown ? 'opacity-100' : 'opacity-0')} />
}

/** @returns how to end it. */
function askEachSecond(element: HTMLImageElement, urlOf: () => string, tell: (comes: boolean) => void): () => void {
  const next = (): void => {
    element.src = `${urlOf()}?at=${Date.now()}`
  }
  const ended = new AbortController()
  element.addEventListener('load', () => tell(true), { signal: ended.signal })
  element.addEventListener('error', () => tell(false), { signal: ended.signal })
  next()
  const timer = setInterval(next, SNAPSHOT_MS)
  return () => {
    ended.abort()
    clearInterval(timer)
    element.removeAttribute('src')
  }
}
