'use client'
import { createContext, useContext, type ComponentProps } from 'react'

export type PageName = 'explorer' | 'trash' | 'monitor' | 'nodes' | 'settings'

/** How the app around the screens goes from page to page. */
export interface Navigation {
  /** The page that is shown. */
  page: PageName
  readonly href: (page: PageName) => string
  readonly go: (href: string) => void
  readonly signOut: () => void
}

export const PATHS: Record<PageName, string> = {
  explorer: '/',
  trash: '/trash',
  monitor: '/monitor',
  nodes: '/nodes',
  settings: '/settings',
}

export const NavigationContext = createContext<Navigation>({
  page: 'explorer',
  href: (page) => PATHS[page],
  go: () => undefined,
  signOut: () => undefined,
})
export const useNavigation = (): Navigation => useContext(NavigationContext)

/** A link that the app follows without loading the page anew; with a modifier key the browser does as always. */
export function PageLink({ page, children, ...rest }: { page: PageName } & ComponentProps<'a'>) {
  const navigation = useNavigation()
  const href = navigation.href(page)
  return (
    <a
      {...rest}
      href={href}
      onClick={(event) => {
        rest.onClick?.(event)
        if (event.defaultPrevented || event.metaKey || event.ctrlKey || event.shiftKey || event.button !== 0) return
        event.preventDefault()
        navigation.go(href)
      }}
    >
      {children}
    </a>
  )
}
