import { THEME_SCRIPT } from '@thatdam/ui/theme-script'
import type { Metadata, Viewport } from 'next'
import type { ReactNode } from 'react'
import './globals.css'

export const metadata: Metadata = {
  title: { default: 'ThatDAM', template: '%s · ThatDAM' },
  description: 'One Explorer over all your media, one Monitor over all your cameras, on the machines you already own.',
}
export const viewport: Viewport = { width: 'device-width', initialScale: 1, colorScheme: 'dark light' }

export default function RootLayout({ children }: { children: ReactNode }) {
  return (
    <html lang="en" data-theme="system" suppressHydrationWarning>
      <head>
        {/* oxlint-disable-next-line react/no-danger -- our own constant: it must run before the first paint */}
        <script dangerouslySetInnerHTML={{ __html: THEME_SCRIPT }} />
      </head>
      <body>{children}</body>
    </html>
  )
}
