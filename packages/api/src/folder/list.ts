import { NodeId } from '@thatdam/protocol/ids'
import * as z from 'zod/mini'
import { onNode } from '../member.ts'
import { ownerHere } from '../trpc.ts'

/** One level of a machine's folders, of this one without `nodeId`; null: where to begin, Pictures and Videos first. */
export const list = ownerHere
  .input(
    z.strictObject({
      path: z.nullable(
        z.string().check(
          z.minLength(1),
          z.maxLength(4096),
          z.refine((path) => !path.includes('\0'), 'A path cannot hold NUL.'),
        ),
      ),
      nodeId: z.optional(NodeId),
    }),
  )
  .query(({ ctx, input }) => ctx.agent.folders(input.path, onNode(ctx, input.nodeId).nodeId))
