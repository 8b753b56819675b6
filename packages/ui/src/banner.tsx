import { CircleAlert, Info, TriangleAlert } from 'lucide-react'
import type { ReactNode } from 'react'
import { cx } from './cx.tsx'

export interface BannerProps {
  tone?: 'plain' | 'warning' | 'error'
  children: ReactNode
  action?: ReactNode
}

/** One sentence across a page about its state, with what to do. */
export function Banner({ tone = 'plain', children, action }: BannerProps) {
  const Icon = tone === 'error' ? CircleAlert : tone === 'warning' ? TriangleAlert : Info
  return (
    <div
      role={tone === 'error' ? 'alert' : 'status'}
      className="flex flex-wrap items-center gap-x-3 gap-y-2 rounded-md border border-line-strong bg-raised px-3 py-2 text-base text-ink"
    >
      <Icon
        className={cx(
          'size-4 shrink-0',
          tone === 'error' ? 'text-danger-text' : tone === 'warning' ? 'text-accent-text' : 'text-ink-faint',
        )}
        aria-hidden
      />
      <div className="min-w-0 grow basis-52 [overflow-wrap:anywhere]">{children}</div>
      {action}
    </div>
  )
}
