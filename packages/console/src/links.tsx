'use client'
import { createContext, useContext } from 'react'

/** Where bytes come from. A machine's console has them beside it; the cloud gives other addresses for the same screens. */
export interface ConsoleLinks {
  thumb(assetId: string, recipe: 'thumb-320' | 'thumb-1280'): string
  original(assetId: string): string
  download(assetId: string, name: string): string
  whep(cameraId: string): string
  mjpeg(cameraId: string): string
  snapshot(cameraId: string): string
}

export const LAN_LINKS: ConsoleLinks = {
  thumb: (assetId, recipe) => `/media/thumbs/${assetId}/${recipe}`,
  original: (assetId) => `/media/originals/${assetId}`,
  download: (assetId, name) => `/media/originals/${assetId}?download=${encodeURIComponent(name)}`,
  whep: (cameraId) => `/live/cameras/${encodeURIComponent(cameraId)}/whep`,
  mjpeg: (cameraId) => `/live/cameras/${encodeURIComponent(cameraId)}/mjpeg`,
  snapshot: (cameraId) => `/live/cameras/${encodeURIComponent(cameraId)}/snapshot.jpg`,
}

export const LinksContext = createContext<ConsoleLinks>(LAN_LINKS)
export const useLinks = (): ConsoleLinks => useContext(LinksContext)
