'use client'
import { cx } from '@thatdam/ui/cx'
import { Monitor, Moon, Sun } from 'lucide-react'
import { useStored } from '../stored.tsx'
import { THEME_KEY } from './theme-script.tsx'

export type Theme = 'dark' | 'light' | 'system'

const THEMES = [
  { theme: 'dark', label: 'Dark', Icon: Moon },
  { theme: 'light', label: 'Light', Icon: Sun },
  { theme: 'system', label: 'As the system', Icon: Monitor },
] as const

const CHOICES = ['dark', 'light', 'system'] as const

export function setTheme(theme: Theme): void {
  window.localStorage.setItem(THEME_KEY, theme)
  document.documentElement.dataset['theme'] = theme
}

export function ThemeChoice() {
  const [now, setNow] = useStored(THEME_KEY, CHOICES)
  return (
    <fieldset className="flex flex-wrap gap-2">
      <legend className="sr-only">Look</legend>
      {THEMES.map(({ theme, label, Icon }) => (
        <button
          key={theme}
          type="button"
          aria-pressed={now === theme}
          onClick={() => {
            setTheme(theme)
            setNow(theme)
          }}
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
