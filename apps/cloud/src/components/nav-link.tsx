'use client'
import Link from 'next/link'
import { usePathname } from 'next/navigation'
import type { ReactNode } from 'react'

export function NavLink({ href, children }: { href: string; children: ReactNode }) {
  const pathname = usePathname()
  const here = pathname === href || pathname.startsWith(`${href}/`)
  return (
    <Link
      href={href}
      aria-current={here ? 'page' : undefined}
      className={`rounded-md px-2.5 py-1.5 text-base ${here ? 'bg-hover text-ink' : 'text-ink-soft hover:bg-hover hover:text-ink'}`}
    >
      {children}
    </Link>
  )
}
