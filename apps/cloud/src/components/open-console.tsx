import { Button, type ButtonSize, type ButtonVariant } from '@thatdam/ui/button'
import { ExternalLink } from 'lucide-react'
import type { NodeView } from '../domain/node-view.ts'

/** A form, so that opening is a deliberate act on this page; the answer redirects to the machine's own console. */
export function OpenConsole({
  node,
  size = 'md',
  variant = 'secondary',
}: {
  node: Pick<NodeView, 'id' | 'console'>
  size?: ButtonSize
  variant?: ButtonVariant
}) {
  const closed = node.console.url === null
  return (
    <form method="post" action={`/api/nodes/${node.id}/console`} target="_blank" title={node.console.reason}>
      <Button type="submit" size={size} variant={variant} disabled={closed}>
        <ExternalLink className="size-4" aria-hidden />
        Open console
      </Button>
    </form>
  )
}
