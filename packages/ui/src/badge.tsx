import type { ReactNode } from 'react'
import { cx } from './cx.tsx'

export type Tone = 'neutral' | 'accent' | 'danger' | 'healthy' | 'outline'

const TONES: Record<Tone, string> = {
  neutral: 'bg-hover text-ink-soft',
  accent: 'bg-accent text-accent-ink font-semibold',
  danger: 'bg-danger text-white font-semibold',
  healthy: 'bg-hover text-healthy',
  outline: 'border border-line-strong text-ink-soft',
}

/** One or two words. `healthy` and `danger` always carry a word or an icon, never colour alone. */
export function Badge({ tone = 'neutral', icon, children }: { tone?: Tone; icon?: ReactNode; children: ReactNode }) {
  return (
    <span className={cx('inline-flex h-5 shrink-0 items-center gap-1 rounded-sm px-1.5 text-xs whitespace-nowrap', TONES[tone])}>
      {icon}
      {children}
    </span>
  )
}

export function Kbd({ children }: { children: ReactNode }) {
  return (
    <kbd className="inline-grid h-5 min-w-5 place-items-center rounded-sm border border-line-strong bg-raised px-1 font-sans text-xs text-ink-soft">
      {children}
    </kbd>
  )
}
