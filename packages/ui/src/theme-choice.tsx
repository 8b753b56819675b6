'use client'
import { Monitor, Moon, Sun } from 'lucide-react'
import { useSyncExternalStore } from 'react'
import { cx } from './cx.tsx'
import { THEME_KEY } from './theme-script.tsx'

export type Theme = 'dark' | 'light' | 'system'

const THEMES = [
  { theme: 'dark', label: 'Dark', Icon: Moon },
  { theme: 'light', label: 'Light', Icon: Sun },
  { theme: 'system', label: 'As the system', Icon: Monitor },
] as const

/** Keeps the wish in this browser and shows it at once. */
export function setTheme(theme: Theme): void {
  try {
    window.localStorage.setItem(THEME_KEY, theme)
  } catch {
    // A browser that keeps nothing for us has this look until the page is loaded again.
  }
  document.documentElement.dataset['theme'] = theme
}

function subscribe(handler: () => void): () => void {
  const observer = new MutationObserver(handler)
  observer.observe(document.documentElement, { attributeFilter: ['data-theme'] })
  return () => observer.disconnect()
}
const shown = (): Theme => THEMES.find(({ theme }) => theme === document.documentElement.dataset['theme'])?.theme ?? 'dark'

/** Which look this browser has: what is pressed is what is shown, also when it was changed elsewhere on the page. */
export function ThemeChoice() {
  const now = useSyncExternalStore(subscribe, shown, () => null)
  return (
    <fieldset className="flex flex-wrap gap-2">
      <legend className="sr-only">Look</legend>
      {THEMES.map(({ theme, label, Icon }) => (
        <button
          key={theme}
          type="button"
          aria-pressed={now === theme}
          onClick={() => setTheme(theme)}
          className={cx(
            'inline-flex h-10 items-center gap-2 rounded-md border px-4 text-lg transition-colors duration-[120ms]',
            now === theme ? 'border-accent bg-raised text-ink' : 'border-line-strong text-ink-soft hover:bg-raised hover:text-ink',
          )}
        >
          <Icon className="size-4" aria-hidden /> {label}
        </button>
      ))}
    </fieldset>
  )
}
