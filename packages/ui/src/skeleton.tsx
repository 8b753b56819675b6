import { cx } from './cx.tsx'

/** Has the final size of what it stands for: give it by class. */
export function Skeleton({ className }: { className?: string }) {
  return <div aria-hidden className={cx('animate-breathe rounded-sm bg-raised', className)} />
}
