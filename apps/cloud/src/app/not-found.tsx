import { Button } from '@thatdam/ui/button'
import { EmptyState } from '@thatdam/ui/empty-state'
import Link from 'next/link'

export default function NotFound() {
  return (
    <main className="grid min-h-dvh place-items-center">
      <EmptyState
        title="There is nothing here"
        action={
          <Button asChild variant="primary">
            <Link href="/nodes">Go to your machines</Link>
          </Button>
        }
      >
        The address is mistyped, or what it named was removed.
      </EmptyState>
    </main>
  )
}
