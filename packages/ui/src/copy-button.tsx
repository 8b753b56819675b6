'use client'
import { Check, Copy } from 'lucide-react'
import { useEffect, useState } from 'react'
import { Button, type ButtonSize, type ButtonVariant } from './button.tsx'

/**
 * Copies by the clipboard API where the page is a secure context, else by `execCommand`: a console or a cloud on plain HTTP has no clipboard API.
 * @returns whether the text is on the clipboard.
 */
export async function copyText(text: string): Promise<boolean> {
  if (window.isSecureContext && 'clipboard' in navigator) {
    const done = await navigator.clipboard.writeText(text).then(
      () => true,
      () => false,
    )
    if (done) return true
  }
  const area = document.createElement('textarea')
  area.value = text
  area.style.cssText = 'position:fixed;top:0;opacity:0'
  area.setAttribute('readonly', '')
  const before = document.activeElement
  // Inside an open dialog the focus is held there: the area must be within it to be selectable.
  const host = before?.closest('[role="dialog"]') ?? document.body
  host.append(area)
  area.select()
  const done = document.execCommand('copy')
  area.remove()
  if (before instanceof HTMLElement) before.focus()
  return done
}

export interface CopyButtonProps {
  text: string
  label?: string
  variant?: ButtonVariant
  size?: ButtonSize
}

export function CopyButton({ text, label = 'Copy', variant = 'secondary', size = 'md' }: CopyButtonProps) {
  const [state, setState] = useState<'idle' | 'copied' | 'failed'>('idle')
  useEffect(() => {
    if (state === 'idle') return undefined
    const timer = setTimeout(() => setState('idle'), 2_000)
    return () => clearTimeout(timer)
  }, [state])
  const words = state === 'copied' ? 'Copied' : state === 'failed' ? 'Select it and copy' : label
  return (
    <Button
      variant={variant}
      size={size}
      onClick={() => {
        void copyText(text).then((done) => setState(done ? 'copied' : 'failed'))
      }}
    >
      {state === 'copied' ? <Check className="size-4" aria-hidden /> : <Copy className="size-4" aria-hidden />}
      <span aria-live="polite">{words}</span>
    </Button>
  )
}

/** A command or an address to take along, in one line that scrolls, with its button. */
export function CopyLine({ text, label }: { text: string; label?: string }) {
  return (
    <div className="flex items-center gap-2 rounded-md border border-line-strong bg-ground p-1 pl-3">
      <code className="min-w-0 flex-1 overflow-x-auto py-1 font-mono text-base whitespace-pre text-ink">{text}</code>
      <CopyButton text={text} size="sm" {...(label === undefined ? {} : { label })} />
    </div>
  )
}
