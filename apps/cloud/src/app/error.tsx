'use client'
import { Button } from '@thatdam/ui/button'
import { EmptyState } from '@thatdam/ui/empty-state'

export default function ErrorPage({ reset }: { reset: () => void }) {
  return (
    <main className="grid min-h-dvh place-items-center">
      <EmptyState
        title="This page could not be shown"
        action={
          <Button variant="primary" onClick={reset}>
            Try again
          </Button>
        }
      >
        The server had a problem with it and wrote the reason to its log. Your machines go on without it.
      </EmptyState>
    </main>
  )
}
