'use client'
import { CircleAlert, X } from 'lucide-react'
import { Toast as Radix } from 'radix-ui'
import { createContext, useCallback, useContext, useMemo, useState, type ReactNode } from 'react'
import { Button, IconButton } from './button.tsx'

export interface ToastMessage {
  text: string
  /** What happened beyond the text; one sentence. */
  detail?: string
  tone?: 'plain' | 'error'
  action?: { label: string; onAction: () => void }
  /** Milliseconds; 6 s by default, 10 s with an action. */
  durationMs?: number
}
type Shown = ToastMessage & { id: number }

/** At most this many at a time: the oldest goes first. */
const SHOWN_MAX = 3

const ToastContext = createContext<(message: ToastMessage) => void>(() => undefined)
export const useToast = () => useContext(ToastContext)

let nextId = 1

/** Once, around the application. `useToast()` gives the function that shows one. */
export function ToastProvider({ children }: { children: ReactNode }) {
  const [shown, setShown] = useState<readonly Shown[]>([])
  const show = useCallback((message: ToastMessage) => {
    setShown((before) => [...before.slice(1 - SHOWN_MAX), { ...message, id: nextId++ }])
  }, [])
  const value = useMemo(() => show, [show])
  return (
    <ToastContext.Provider value={value}>
      <Radix.Provider swipeDirection="down">
        {children}
        {shown.map((message) => (
          <Radix.Root
            key={message.id}
            duration={message.durationMs ?? (message.action ? 10_000 : 6_000)}
            type={message.tone === 'error' ? 'foreground' : 'background'}
            onOpenChange={(open) => {
              if (!open) setShown((before) => before.filter((other) => other.id !== message.id))
            }}
            className="flex items-center gap-3 rounded-lg border border-line-strong bg-raised py-2 pr-2 pl-3 shadow-float animate-appear"
          >
            {message.tone === 'error' ? <CircleAlert className="size-4 shrink-0 text-danger-text" aria-hidden /> : null}
            <div className="min-w-0 flex-1">
              <Radix.Title className="text-base text-ink [overflow-wrap:anywhere]">{message.text}</Radix.Title>
              {message.detail === undefined ? null : (
                <Radix.Description className="text-sm text-ink-soft [overflow-wrap:anywhere]">{message.detail}</Radix.Description>
              )}
            </div>
            {message.action === undefined ? null : (
              <Radix.Action asChild altText={message.action.label}>
                <Button size="sm" onClick={message.action.onAction}>
                  {message.action.label}
                </Button>
              </Radix.Action>
            )}
            <Radix.Close asChild>
              <IconButton label="Dismiss" size="sm">
                <X className="size-4" aria-hidden />
              </IconButton>
            </Radix.Close>
          </Radix.Root>
        ))}
        <Radix.Viewport className="fixed bottom-18 left-1/2 z-60 flex w-[min(440px,calc(100vw-24px))] -translate-x-1/2 flex-col gap-2 outline-none md:bottom-6" />
      </Radix.Provider>
    </ToastContext.Provider>
  )
}
