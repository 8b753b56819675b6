import type { ComponentProps } from 'react'
import { cx } from './cx.tsx'

const LOOK =
  'w-full min-w-0 rounded-md border border-line-strong bg-ground text-ink placeholder:text-ink-faint transition-colors duration-[120ms] hover:border-ink-faint focus-visible:outline-offset-0 disabled:opacity-50 aria-invalid:border-danger'

export interface InputProps extends ComponentProps<'input'> {
  /** `dense` (13 px) for tool bars, `form` (15 px) for forms. */
  look?: 'dense' | 'form'
}

export function Input({ look = 'form', className, ...rest }: InputProps) {
  return (
    <input
      {...rest}
      className={cx(
        LOOK,
        look === 'form' ? 'h-10 px-3 text-lg' : 'h-8 px-2.5 text-base pointer-coarse:h-10 pointer-coarse:text-lg',
        className,
      )}
    />
  )
}

export function Textarea({ className, ...rest }: ComponentProps<'textarea'>) {
  return <textarea {...rest} className={cx(LOOK, 'min-h-20 px-3 py-2 text-lg', className)} />
}
