import { Check, ChevronDown } from 'lucide-react'
import { Select as Radix } from 'radix-ui'
import { cx } from './cx.tsx'

export interface SelectOption {
  value: string
  label: string
}
export interface SelectProps {
  value: string
  onValueChange: (value: string) => void
  options: readonly SelectOption[]
  /** Read aloud when there is no visible label. */
  label?: string
  id?: string
  look?: 'dense' | 'form'
  disabled?: boolean
}

export function Select({ value, onValueChange, options, label, look = 'form', disabled, ...rest }: SelectProps) {
  return (
    <Radix.Root value={value} onValueChange={onValueChange} {...(disabled === undefined ? {} : { disabled })}>
      <Radix.Trigger
        {...rest}
        aria-label={label}
        className={cx(
          'inline-flex w-full items-center justify-between gap-2 rounded-md border border-line-strong bg-ground text-ink hover:border-ink-faint disabled:opacity-50',
          look === 'form' ? 'h-10 px-3 text-lg' : 'h-8 px-2.5 text-base pointer-coarse:h-10',
        )}
      >
        <Radix.Value />
        <Radix.Icon>
          <ChevronDown className="size-4 text-ink-faint" aria-hidden />
        </Radix.Icon>
      </Radix.Trigger>
      <Radix.Portal>
        <Radix.Content
          position="popper"
          sideOffset={4}
          className="z-50 max-h-[var(--radix-select-content-available-height)] min-w-[var(--radix-select-trigger-width)] overflow-hidden rounded-lg border border-line-strong bg-raised p-1 shadow-float animate-appear"
        >
          <Radix.Viewport>
            {options.map((option) => (
              <Radix.Item
                key={option.value}
                value={option.value}
                className="flex h-8 items-center gap-2 rounded-sm pr-3 pl-7 text-base text-ink outline-none select-none data-highlighted:bg-hover pointer-coarse:h-10"
              >
                <Radix.ItemIndicator className="absolute left-2">
                  <Check className="size-4 text-accent-text" aria-hidden />
                </Radix.ItemIndicator>
                <Radix.ItemText>{option.label}</Radix.ItemText>
              </Radix.Item>
            ))}
          </Radix.Viewport>
        </Radix.Content>
      </Radix.Portal>
    </Radix.Root>
  )
}
