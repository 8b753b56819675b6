import * as z from 'zod/mini'
import { ClusterId, NodeId, UnixMs } from './ids.ts'
import { Role, Term } from './plan.ts'

/** `STATE_DIR/cluster.json`, schema version 1: written atomically for other programs to read. Also the body of GET /cluster. */
export const ClusterFile = z.object({
  version: z.literal(1),
  node_id: NodeId,
  role: Role,
  leader: z.nullable(z.object({ url: z.string(), advertised_via: z.string(), last_seen: z.string() })),
  services: z.object({ api_url: z.nullable(z.string()), supervisor_url: z.nullable(z.string()) }),
  cluster_id: z.nullable(ClusterId),
  term: z.nullable(Term),
  members: z.array(z.object({ node_id: NodeId, name: z.string(), role: Role, alive: z.boolean(), last_seen_ms: UnixMs })),
})
export type ClusterFile = z.infer<typeof ClusterFile>

/** GET /health on every node: 200 when the agent runs its plan, 503 with the failed parts else. */
export const Health = z.object({
  status: z.enum(['ok', 'degraded', 'starting']),
  node_id: NodeId,
  role: Role,
  version: z.string(),
  uptime_seconds: z.number(),
  failed: z.array(z.object({ service: z.string(), reason: z.string() })),
})
export type Health = z.infer<typeof Health>

/** GET /discovery on every node: how to find the ring's leader from here. No secrets, no media. */
export const Discovery = z.object({
  version: z.literal(1),
  node_id: NodeId,
  cluster_id: z.nullable(ClusterId),
  /** SHA-256 of the genesis record; null on an unclaimed node. */
  fingerprint: z.nullable(z.string()),
  leader_url: z.nullable(z.string()),
  /** Who leads as this node knows; null: nobody. Left out by a node that does not say. */
  leader_node_id: z.optional(z.nullable(NodeId)),
  api_version: z.literal(1),
})
export type Discovery = z.infer<typeof Discovery>
