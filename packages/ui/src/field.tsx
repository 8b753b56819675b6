import { CircleAlert } from 'lucide-react'
import { useId, type ReactElement, type ReactNode } from 'react'
import { Slot } from 'radix-ui'

export interface FieldProps {
  label: string
  /** One sentence below the label. */
  hint?: ReactNode
  /** What is wrong and what to do; null when all is well. */
  error?: string | null
  /** One control; it gets id, aria-describedby and aria-invalid. */
  children: ReactElement
}

/** Label, hint, one control, error. The row for the error takes space only when there is one. */
export function Field({ label, hint, error, children }: FieldProps) {
  const id = useId()
  const described = [hint ? `${id}-hint` : '', error ? `${id}-error` : ''].filter(Boolean).join(' ')
  return (
    <div className="flex flex-col gap-1.5">
      <label htmlFor={id} className="text-base font-medium text-ink">
        {label}
      </label>
      {hint ? (
        <p id={`${id}-hint`} className="text-base text-ink-soft">
          {hint}
        </p>
      ) : null}
      <Slot.Root id={id} {...(described === '' ? {} : { 'aria-describedby': described })} {...(error ? { 'aria-invalid': true } : {})}>
        {children}
      </Slot.Root>
      {error ? (
        <p id={`${id}-error`} role="alert" className="flex items-start gap-1.5 text-base text-danger-text">
          <CircleAlert className="mt-0.5 size-4 shrink-0" aria-hidden />
          <span>{error}</span>
        </p>
      ) : null}
    </div>
  )
}
