import { LoaderCircle } from 'lucide-react'
import { Slot } from 'radix-ui'
import type { ComponentProps, ReactNode } from 'react'
import { cx } from './cx.tsx'

export type ButtonVariant = 'primary' | 'secondary' | 'quiet' | 'danger'
export type ButtonSize = 'sm' | 'md' | 'lg'

const VARIANTS: Record<ButtonVariant, string> = {
  primary: 'bg-accent text-accent-ink hover:bg-accent-hover font-semibold',
  secondary: 'bg-raised text-ink border border-line-strong hover:bg-hover',
  quiet: 'text-ink-soft hover:bg-hover hover:text-ink',
  danger: 'bg-danger text-white hover:bg-danger-hover font-semibold',
}
const SIZES: Record<ButtonSize, string> = {
  sm: 'h-7 px-2 text-sm gap-1.5 pointer-coarse:h-9',
  md: 'h-8 px-3 text-base gap-2 pointer-coarse:h-10',
  lg: 'h-10 px-4 text-lg gap-2 pointer-coarse:h-11',
}

export interface ButtonProps extends ComponentProps<'button'> {
  variant?: ButtonVariant
  size?: ButtonSize
  /** Shows a spinner in place of the icon, and takes no clicks, without a change of width. */
  busy?: boolean
  /** Renders the only child (a link) with the button's look. */
  asChild?: boolean
}

export function Button({ variant = 'secondary', size = 'md', busy = false, asChild = false, className, children, ...rest }: ButtonProps) {
  const classes = cx(
    'inline-flex shrink-0 items-center justify-center whitespace-nowrap rounded-md transition-colors duration-[120ms] select-none disabled:opacity-45 disabled:pointer-events-none',
    VARIANTS[variant],
    SIZES[size],
    className,
  )
  if (asChild) {
    return (
      <Slot.Root className={classes} {...rest}>
        {children}
      </Slot.Root>
    )
  }
  return (
    <button type="button" {...rest} className={classes} disabled={rest.disabled === true || busy} aria-busy={busy || undefined}>
      {/* Positioned in here, so that a caller may place the button itself. */}
      <span className="relative inline-flex items-center gap-[inherit]">
        {busy ? <LoaderCircle className="absolute inset-0 m-auto size-4 animate-spin" aria-hidden /> : null}
        <span className={cx('inline-flex items-center gap-[inherit]', busy && 'invisible')}>{children}</span>
      </span>
    </button>
  )
}

export interface IconButtonProps extends Omit<ButtonProps, 'aria-label' | 'size' | 'asChild'> {
  /** What it does, read aloud and shown as a tooltip by the caller's choice. */
  label: string
  size?: 'sm' | 'md'
  children: ReactNode
}

export function IconButton({ label, variant = 'quiet', size = 'md', className, ...rest }: IconButtonProps) {
  return (
    <Button
      {...rest}
      variant={variant}
      aria-label={label}
      title={rest.title ?? label}
      className={cx(size === 'sm' ? 'size-7 px-0! pointer-coarse:size-9' : 'size-8 px-0! pointer-coarse:size-10', className)}
    />
  )
}
