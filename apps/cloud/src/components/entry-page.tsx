import type { ReactNode } from 'react'
import { Brand } from './brand.tsx'

/** A form and nothing else on the page. */
export function EntryPage({
  title,
  intro,
  children,
  footer,
}: {
  title: string
  intro?: ReactNode
  children: ReactNode
  footer?: ReactNode
}) {
  return (
    <main className="mx-auto flex w-full max-w-[400px] flex-1 flex-col justify-center gap-6 px-5 py-12">
      <Brand href="/" />
      <div className="flex flex-col gap-1">
        <h1 className="text-2xl font-semibold">{title}</h1>
        {intro === undefined ? null : <p className="text-lg text-ink-soft">{intro}</p>}
      </div>
      {children}
      {footer === undefined ? null : <p className="text-lg text-ink-soft">{footer}</p>}
    </main>
  )
}
