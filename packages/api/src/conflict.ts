import { choice, listConflicts, type Conflict, type Noun } from '@thatdam/catalog/conflicts'
import { ThatdamError } from '@thatdam/protocol/errors'
import type { OpBody } from '@thatdam/protocol/ops'
import type { ApiContext } from './context.ts'
import { append, type Saved } from './edit.ts'

export const conflictsOf = (ctx: ApiContext, noun: Noun, subject: string): Promise<Conflict[]> => listConflicts(ctx.pool, noun, subject)

/**
 * One of the values that stand against one another becomes the field's, in place of all of them.
 * @throws ThatdamError CONFLICT when it was settled meanwhile, here or on another machine.
 */
export async function resolve(ctx: ApiContext, name: { noun: Noun; subject: string; field: string }, opId: string): Promise<Saved> {
  const chosen = await choice(ctx.pool, name, opId)
  if (chosen === null) {
    throw new ThatdamError(
      'CONFLICT',
      'This was settled meanwhile, here or on another machine. Reload the page to see the value that counts.',
    )
  }
  const { noun, subject, field } = name
  return append(ctx, [{ kind: `${noun}.set`, subject, field, ...chosen } as OpBody])
}
