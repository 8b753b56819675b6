'use client'
import { createContext, useContext } from 'react'

/** Where bytes come from. A machine's console has them beside it; the cloud gives other addresses for the same screens. */
export interface ConsoleLinks {
  thumb(assetId: string, recipe: 'thumb-320' | 'thumb-1280'): string
  original(assetId: string): string
  download(assetId: string, name: string): string
  /** `nodeId`: the machine that the camera is connected to; null: the one whose console this is. */
  whep(cameraId: string, nodeId: string | null): string
  mjpeg(cameraId: string, nodeId: string | null): string
  snapshot(cameraId: string, nodeId: string | null): string
}

const live = (cameraId: string, nodeId: string | null): string =>
  `/live/${nodeId === null ? '' : `nodes/${encodeURIComponent(nodeId)}/`}cameras/${encodeURIComponent(cameraId)}`

export const LAN_LINKS: ConsoleLinks = {
  thumb: (assetId, recipe) => `/media/thumbs/${assetId}/${recipe}`,
  original: (assetId) => `/media/originals/${assetId}`,
  download: (assetId, name) => `/media/originals/${assetId}?download=${encodeURIComponent(name)}`,
  whep: (cameraId, nodeId) => `${live(cameraId, nodeId)}/whep`,
  mjpeg: (cameraId, nodeId) => `${live(cameraId, nodeId)}/mjpeg`,
  snapshot: (cameraId, nodeId) => `${live(cameraId, nodeId)}/snapshot.jpg`,
}

export const LinksContext = createContext<ConsoleLinks>(LAN_LINKS)
export const useLinks = (): ConsoleLinks => useContext(LinksContext)
