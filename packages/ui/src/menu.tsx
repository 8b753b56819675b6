import { DropdownMenu as Radix } from 'radix-ui'
import type { ReactElement, ReactNode } from 'react'
import { cx } from './cx.tsx'

export interface MenuItem {
  label: string
  icon?: ReactNode
  /** Shown at the right edge. */
  keys?: string
  danger?: boolean
  disabled?: boolean
  onSelect: () => void
}
export interface MenuProps {
  /** The button that opens it. */
  trigger: ReactElement
  /** `null` draws a line between groups. */
  items: readonly (MenuItem | null)[]
  align?: 'start' | 'end'
}

export function Menu({ trigger, items, align = 'end' }: MenuProps) {
  return (
    <Radix.Root>
      <Radix.Trigger asChild>{trigger}</Radix.Trigger>
      <Radix.Portal>
        <Radix.Content
          align={align}
          sideOffset={4}
          collisionPadding={8}
          className="z-50 min-w-44 rounded-lg border border-line-strong bg-raised p-1 shadow-float animate-appear"
        >
          {items.map((item, index) =>
            item === null ? (
              // oxlint-disable-next-line react/no-array-index-key -- a line has no identity but its place
              <Radix.Separator key={`line-${index}`} className="my-1 h-px bg-line" />
            ) : (
              <Radix.Item
                key={item.label}
                disabled={item.disabled ?? false}
                onSelect={item.onSelect}
                className={cx(
                  'flex h-8 items-center gap-2 rounded-sm px-2 text-base outline-none select-none data-disabled:opacity-45 data-highlighted:bg-hover pointer-coarse:h-11',
                  item.danger ? 'text-danger-text' : 'text-ink',
                )}
              >
                {item.icon}
                <span className="flex-1">{item.label}</span>
                {item.keys === undefined ? null : <kbd className="font-sans text-sm text-ink-faint">{item.keys}</kbd>}
              </Radix.Item>
            ),
          )}
        </Radix.Content>
      </Radix.Portal>
    </Radix.Root>
  )
}
