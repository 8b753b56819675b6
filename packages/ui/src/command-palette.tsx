'use client'
import { Command } from 'cmdk'
import { Search } from 'lucide-react'
import type { ReactNode } from 'react'

export interface PaletteItem {
  id: string
  label: string
  /** Shown small behind the label: a date, a machine. */
  hint?: string
  icon?: ReactNode
  keys?: string
  onSelect: () => void
}
export interface PaletteGroup {
  heading: string
  items: readonly PaletteItem[]
}
export interface CommandPaletteProps {
  open: boolean
  onOpenChange: (open: boolean) => void
  groups: readonly PaletteGroup[]
  query: string
  onQueryChange: (query: string) => void
  placeholder: string
}

/** Every word that was typed is somewhere in the item: a guess at letters in between finds too much. */
function matches(value: string, search: string): number {
  const text = value.toLowerCase()
  return search
    .toLowerCase()
    .split(/\s+/)
    .every((word) => text.includes(word))
    ? 1
    : 0
}

/** ⌘K. What is typed filters the labels; groups that were searched elsewhere pass `query` on and bring their hits. */
export function CommandPalette({ open, onOpenChange, groups, query, onQueryChange, placeholder }: CommandPaletteProps) {
  return (
    <Command.Dialog
      open={open}
      onOpenChange={onOpenChange}
      label="Find a page, file, camera, machine or action"
      overlayClassName="fixed inset-0 z-40 bg-scrim"
      contentClassName="fixed inset-x-3 top-[10dvh] z-50 mx-auto max-w-[600px] overflow-hidden rounded-lg border border-line-strong bg-surface shadow-float outline-none animate-appear"
      filter={matches}
      loop
    >
      <div className="flex items-center gap-2 border-b border-line px-4">
        <Search className="size-4 text-ink-faint" aria-hidden />
        <Command.Input
          value={query}
          onValueChange={onQueryChange}
          placeholder={placeholder}
          className="h-12 flex-1 bg-transparent text-lg text-ink outline-none placeholder:text-ink-faint"
        />
      </div>
      <Command.List className="max-h-[56dvh] overflow-y-auto p-2">
        <Command.Empty className="px-2 py-8 text-center text-base text-ink-soft">Nothing found. Try part of a name.</Command.Empty>
        {groups
          .filter((group) => group.items.length > 0)
          .map((group) => (
            <Command.Group
              key={group.heading}
              heading={group.heading}
              className="[&_[cmdk-group-heading]]:px-2 [&_[cmdk-group-heading]]:py-1.5 [&_[cmdk-group-heading]]:text-sm [&_[cmdk-group-heading]]:text-ink-faint"
            >
              {group.items.map((item) => (
                <Command.Item
                  key={item.id}
                  value={`${item.label} ${item.hint ?? ''} ${item.id}`}
                  data-palette={item.id}
                  onSelect={() => {
                    onOpenChange(false)
                    item.onSelect()
                  }}
                  className="flex h-9 items-center gap-2 rounded-sm px-2 text-base text-ink select-none data-[selected=true]:bg-hover pointer-coarse:h-11"
                >
                  <span className="text-ink-faint [&_svg]:size-4">{item.icon}</span>
                  <span className="min-w-0 flex-1 truncate">{item.label}</span>
                  {item.hint === undefined ? null : <span className="shrink-0 text-sm text-ink-faint">{item.hint}</span>}
                  {item.keys === undefined ? null : <kbd className="shrink-0 font-sans text-sm text-ink-faint">{item.keys}</kbd>}
                </Command.Item>
              ))}
            </Command.Group>
          ))}
      </Command.List>
    </Command.Dialog>
  )
}
