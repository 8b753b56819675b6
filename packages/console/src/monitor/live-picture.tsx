'use client'
import { cx } from '@thatdam/ui/cx'
import { useEffect, useRef, useState } from 'react'
import { useLinks } from '../links.tsx'
import { playMjpeg } from './mjpeg.tsx'
import { playWhep } from './whep.tsx'

/** A browser keeps six connections to one console: so many pictures may hold one each, the others ask picture by picture. */
const MJPEG_MAX = 3
const SNAPSHOT_MS = 1_000
/** Without a frame by WebRTC for so long (a camera that starts takes half of it) a simpler picture is shown, until one comes. */
const SIMPLE_AFTER_MS = 3_000

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

/** The camera's picture: by WebRTC, and until that comes, or when it never does, by MJPEG or picture by picture. */
export function LivePicture({ cameraId, nodeId, name, onMode }: LivePictureProps) {
  const links = useLinks()
  const video = useRef<HTMLVideoElement>(null)
  const [plays, setPlays] = useState(false)
  const [isLate, setIsLate] = useState(() => typeof RTCPeerConnection === 'undefined')
  const [simple, setSimple] = useState<LiveMode>('connecting')
  const url = links.whep(cameraId, nodeId)
  useEffect(() => {
    const element = video.current
    if (element === null || typeof RTCPeerConnection === 'undefined') return undefined
    const stop = playWhep({ url, video: element, onPlaying: () => setPlays(true), onStalled: () => setPlays(false) })
    return () => {
      stop()
      setPlays(false)
    }
  }, [url])
  useEffect(() => {
    if (plays) return undefined
    const timer = setTimeout(() => setIsLate(true), SIMPLE_AFTER_MS)
    return () => {
      clearTimeout(timer)
      setIsLate(false)
    }
  }, [plays])
  const mode = plays ? 'webrtc' : isLate ? simple : 'connecting'
  useEffect(() => onMode(mode), [mode, onMode])
  return (
    <>
      <video
        ref={video}
        muted
        autoPlay
        playsInline
        aria-label={`${name}, live`}
        className={cx('absolute inset-0 size-full object-contain transition-opacity duration-150', plays ? 'opacity-100' : 'opacity-0')}
      />
      {isLate && !plays ? <PictureByPicture cameraId={cameraId} nodeId={nodeId} name={name} onMode={setSimple} /> : null}
    </>
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
  return (
    <img
      ref={image}
      alt={`${name}, live`}
      className={cx('absolute inset-0 size-full object-contain', shown ? 'opacity-100' : 'opacity-0')}
    />
  )
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
