import { useId, type ComponentProps } from 'react'

export interface CheckboxProps extends Omit<ComponentProps<'input'>, 'type' | 'id'> {
  label: string
  /** One sentence below the label. */
  hint?: string
}

/** A yes or no with its words beside it; the words are a part of what can be pressed. */
export function Checkbox({ label, hint, ...rest }: CheckboxProps) {
  const id = useId()
  return (
    <div className="flex items-start gap-2.5">
      <input
        {...rest}
        id={id}
        type="checkbox"
        {...(hint === undefined ? {} : { 'aria-describedby': `${id}-hint` })}
        className="mt-1 size-4 shrink-0 accent-accent"
      />
      <div className="min-w-0">
        <label htmlFor={id} className="block text-lg text-ink">
          {label}
        </label>
        {hint === undefined ? null : (
          <p id={`${id}-hint`} className="text-base text-ink-soft">
            {hint}
          </p>
        )}
      </div>
    </div>
  )
}
