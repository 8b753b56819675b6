'use client'
import { Button } from '@thatdam/ui/button'
import { Dialog } from '@thatdam/ui/dialog'
import { type ReactNode, useState } from 'react'
import type { Called } from '../web/call.ts'

interface ConfirmDialogProps {
  open: boolean
  onOpenChange: (open: boolean) => void
  title: string
  /** What follows from it. */
  children: ReactNode
  confirm: string
  /** The call that does it; its sentence is shown when it fails. */
  run: () => Promise<Called<unknown>>
  onDone: () => void
}

/** Asks before something that cannot be taken back. */
export function ConfirmDialog({ open, onOpenChange, title, children, confirm, run, onDone }: ConfirmDialogProps) {
  const [busy, setBusy] = useState(false)
  const [problem, setProblem] = useState<string | null>(null)
  const act = async (): Promise<void> => {
    setBusy(true)
    const done = await run()
    setBusy(false)
    setProblem(done.ok ? null : done.message)
    if (done.ok) onDone()
  }
  return (
    <Dialog
      open={open}
      onOpenChange={onOpenChange}
      width="sm"
      title={title}
      footer={
        <>
          <Button variant="quiet" onClick={() => onOpenChange(false)}>
            Keep it
          </Button>
          <Button variant="danger" busy={busy} onClick={() => void act()}>
            {confirm}
          </Button>
        </>
      }
    >
      <p className="text-lg text-ink-soft">{children}</p>
      {problem === null ? null : <p className="mt-2 text-lg text-danger-text">{problem}</p>}
    </Dialog>
  )
}
