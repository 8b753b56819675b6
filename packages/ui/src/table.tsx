import type { ReactNode } from 'react'
import { cx } from './cx.tsx'

/** Rows that stay a table on a wide screen and scroll inside themselves on a narrow one. */
export function Table({ label, head, children }: { label: string; head: readonly string[]; children: ReactNode }) {
  return (
    <div className="overflow-x-auto">
      <table aria-label={label} className="w-full border-collapse text-base">
        <thead>
          <tr className="border-b border-line text-left text-sm text-ink-faint">
            {head.map((title) => (
              <th key={title} scope="col" className="h-8 px-3 font-normal whitespace-nowrap first:pl-0 last:pr-0">
                {title}
              </th>
            ))}
          </tr>
        </thead>
        <tbody>{children}</tbody>
      </table>
    </div>
  )
}

export function Row({ children, className }: { children: ReactNode; className?: string }) {
  return <tr className={cx('border-b border-line last:border-0', className)}>{children}</tr>
}

export function Cell({ children, className }: { children: ReactNode; className?: string }) {
  return <td className={cx('h-10 px-3 py-2 align-top first:pl-0 last:pr-0', className)}>{children}</td>
}
