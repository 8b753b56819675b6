import { ToastProvider } from '@thatdam/ui/toast'
import Link from 'next/link'
import type { ReactNode } from 'react'
import { Brand } from '../../components/brand.tsx'
import { NavLink } from '../../components/nav-link.tsx'
import { SignOutButton } from '../../components/sign-out.tsx'
import { requirePerson } from '../../web/session.ts'

export default async function AppLayout({ children }: { children: ReactNode }) {
  const person = await requirePerson()
  return (
    <ToastProvider>
      <header className="border-b border-line bg-surface">
        <div className="mx-auto flex max-w-[1120px] flex-wrap items-center gap-x-6 gap-y-1 px-5 py-2">
          <Brand href="/nodes" />
          <nav aria-label="Main" className="flex items-center gap-1 max-sm:order-last max-sm:w-full">
            <NavLink href="/nodes">Machines</NavLink>
            <NavLink href="/add-machine">Add machine</NavLink>
            <NavLink href="/activity">Activity</NavLink>
          </nav>
          <div className="flex min-w-0 grow basis-0 items-center justify-end gap-1">
            <Link
              href="/account"
              className="max-w-[22ch] truncate rounded-md px-2 py-1.5 text-base text-ink-soft hover:bg-hover hover:text-ink"
            >
              {person.email}
            </Link>
            <SignOutButton />
          </div>
        </div>
      </header>
      <main className="mx-auto w-full max-w-[1120px] px-5 py-8">{children}</main>
    </ToastProvider>
  )
}
