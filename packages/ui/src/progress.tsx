import { cx } from './cx.tsx'

export interface ProgressProps {
  /** 0–1; null while the total is not known: the bar then breathes and claims nothing. */
  value: number | null
  label: string
  className?: string
}

export function Progress({ value, label, className }: ProgressProps) {
  const percent = value === null ? null : Math.round(Math.min(1, Math.max(0, value)) * 1000) / 10
  return (
    <div className={cx('relative h-1 overflow-hidden rounded-full bg-hover', className)}>
      <progress aria-label={label} max={100} {...(percent === null ? {} : { value: percent })} className="sr-only" />
      <div
        aria-hidden
        className={cx(
          'h-full rounded-full bg-accent transition-[width] duration-150',
          percent === null && 'w-full animate-breathe opacity-40',
        )}
        style={percent === null ? undefined : { width: `${percent}%` }}
      />
    </div>
  )
}
