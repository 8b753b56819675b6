'use client'
import { useMutation, useQuery } from '@tanstack/react-query'
import { CommandPalette, type PaletteGroup } from '@thatdam/ui/command-palette'
import { setTheme } from '@thatdam/ui/theme-choice'
import { CircleDot, Images, Keyboard, Moon, Plus, RefreshCw, Server, Settings2, Sun, Trash2, Video, Waypoints } from 'lucide-react'
import { useDeferredValue, useState } from 'react'
import { useTRPC } from '../client.tsx'
import { KIND_ICONS } from '../explorer/tile.tsx'
import { day } from '../format.tsx'
import { useNavigation, type PageName } from '../navigation.tsx'
import { useShowError } from '../query.tsx'
import { useLiveState } from '../state.tsx'

const HITS = 8

export interface PaletteProps {
  open: boolean
  onOpenChange: (open: boolean) => void
  onKeyMap: () => void
}

/** Pages, files, cameras, machines and actions by a few letters. */
export function Palette({ open, onOpenChange, onKeyMap }: PaletteProps) {
  const [query, setQuery] = useState('')
  const pages = usePages()
  const files = useFiles(query, open)
  const ring = useRing()
  const actions = useActions(onKeyMap)
  return (
    <CommandPalette
      open={open}
      onOpenChange={(next) => {
        onOpenChange(next)
        if (!next) setQuery('')
      }}
      query={query}
      onQueryChange={setQuery}
      placeholder="Find a page, file, camera, machine or action"
      groups={[pages, files, ...ring, actions]}
    />
  )
}

function usePages(): PaletteGroup {
  const { go, href } = useNavigation()
  const page = (name: PageName, label: string, icon: React.ReactNode, keys: string) => ({
    id: `page-${name}`,
    label,
    icon,
    keys,
    onSelect: () => go(href(name)),
  })
  return {
    heading: 'Pages',
    items: [
      page('explorer', 'Explorer', <Images />, 'G E'),
      page('monitor', 'Monitor', <Video />, 'G M'),
      page('nodes', 'Nodes', <Waypoints />, 'G N'),
      page('trash', 'Trash', <Trash2 />, 'G T'),
      page('settings', 'Settings', <Settings2 />, 'G S'),
    ],
  }
}

function useFiles(query: string, open: boolean): PaletteGroup {
  const trpc = useTRPC()
  const { go, href } = useNavigation()
  const text = useDeferredValue(query.trim()).slice(0, 200)
  const hits = useQuery(trpc.asset.list.queryOptions({ text, limit: HITS }, { enabled: open && text.length > 1 }))
  const assets = text.length > 1 ? (hits.data?.assets ?? []) : []
  return {
    heading: 'Files',
    items: assets.map((asset) => {
      const Icon = KIND_ICONS[asset.kind]
      return {
        // What was typed is in the id, so that files found by folder or camera are not filtered out again by their name.
        id: `${query} ${asset.id}`,
        label: asset.title,
        hint: day(asset.sortMs),
        icon: <Icon />,
        onSelect: () => go(`${href('explorer')}#asset=${asset.id}`),
      }
    }),
  }
}

function useRing(): PaletteGroup[] {
  const { go, href } = useNavigation()
  const agent = useLiveState().state?.agent
  return [
    {
      heading: 'Cameras',
      items: (agent?.cameras ?? []).map(({ camera, nodeId }) => ({
        id: `${nodeId} ${camera.cameraId}`,
        label: camera.name,
        hint: agent?.members.find((member) => member.nodeId === nodeId)?.name ?? nodeId,
        icon: <Video />,
        onSelect: () => go(href('monitor')),
      })),
    },
    {
      heading: 'Machines',
      items: (agent?.members ?? []).map((member) => ({
        id: member.nodeId,
        label: member.name,
        hint: member.role === 'leader' ? 'leader' : member.osName,
        icon: <Server />,
        onSelect: () => go(`${href('nodes')}#node=${member.nodeId}`),
      })),
    },
  ]
}

function useActions(onKeyMap: () => void): PaletteGroup {
  const trpc = useTRPC()
  const showError = useShowError()
  const { go, href } = useNavigation()
  const agent = useLiveState().state?.agent
  const start = useMutation(trpc.capture.start.mutationOptions({ onError: showError }))
  const rescan = useMutation(trpc.index.rescan.mutationOptions({ onError: showError }))
  const idle =
    agent?.cameras.filter(
      ({ state, nodeId, camera: { cameraId } }) =>
        state === 'live' &&
        !agent.captures.some((capture) => capture.state === 'recording' && capture.nodeId === nodeId && capture.cameraId === cameraId),
    ) ?? []
  return {
    heading: 'Actions',
    items: [
      ...idle.map(({ camera, nodeId }) => ({
        id: `record-${nodeId} ${camera.cameraId}`,
        label: `Record ${camera.name}`,
        icon: <CircleDot />,
        onSelect: () => start.mutate({ cameraId: camera.cameraId, nodeId }),
      })),
      { id: 'add-machine', label: 'Add a machine', icon: <Plus />, onSelect: () => go(`${href('nodes')}#add`) },
      { id: 'rescan', label: 'Look through the folders again', icon: <RefreshCw />, onSelect: () => rescan.mutate() },
      { id: 'dark', label: 'Dark look', icon: <Moon />, onSelect: () => setTheme('dark') },
      { id: 'light', label: 'Light look', icon: <Sun />, onSelect: () => setTheme('light') },
      { id: 'keys', label: 'Show the keys', icon: <Keyboard />, keys: '?', onSelect: onKeyMap },
    ],
  }
}
