import { fieldEdit } from '@thatdam/catalog/conflicts'
import type { Json } from '@thatdam/protocol/canonical'
import type { AppendOpsResponse } from '@thatdam/protocol/local'
import type { OpBody } from '@thatdam/protocol/ops'
import type { ApiContext } from './context.ts'

/** How long an edit's answer waits for the catalog to show it. */
const SHOW_WAIT_MS = 2_000

type Noun = 'asset' | 'node' | 'camera'
/** `here`: on this machine's log alone; `saved`: on a second one too, as is every op whose position the state tells as saved. */
export interface Saved {
  durability: AppendOpsResponse['durability']
  /** Of the last op, in the feed. */
  position: number
}

export interface Edit {
  noun: Noun
  subject: string
  fields: Readonly<Record<string, Json>>
}

/** Appends a field op per field, each naming the op it replaces, and waits until the catalog shows them. */
export async function saveFields(ctx: ApiContext, edits: readonly Edit[]): Promise<Saved> {
  const bodies = await Promise.all(
    edits.flatMap(({ noun, subject, fields }) =>
      Object.entries(fields).map(async ([field, value]) => {
        const { replaces, alsoReplaces } = await fieldEdit(ctx.pool, { noun, subject, field })
        return { kind: `${noun}.set`, subject, field, value, replaces, ...(alsoReplaces.length > 0 && { alsoReplaces }) } as OpBody
      }),
    ),
  )
  return append(ctx, bodies)
}

/** Appends, and waits until the catalog shows it. */
export async function append(ctx: Pick<ApiContext, 'agent' | 'follower'>, bodies: readonly OpBody[]): Promise<Saved> {
  const { ops, durability } = await ctx.agent.appendOps({ ops: bodies.map((body) => ({ body })) })
  const position = Math.max(...ops.map((op) => op.position))
  await ctx.follower.waitFor(position, SHOW_WAIT_MS)
  return { durability, position }
}
