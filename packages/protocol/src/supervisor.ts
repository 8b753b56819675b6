import * as z from 'zod/mini'
import { NodeId, Sha256Hex, UnixMs } from './ids.ts'
import { PlanBody, PlanState, Role, Term } from './plan.ts'

/*
 * The leader's word on its ring, for members over the node API and for programs of a signed-in person over the gateway. All of it carries the term
 * under which it is said; who is no leader answers 409.
 */

/** GET /v1/nodes */
export const SupervisedNode = z.object({
  nodeId: NodeId,
  name: z.string(),
  role: Role,
  awake: z.boolean(),
  standby: z.boolean(),
  admitter: z.boolean(),
  /** 0: not since the leader's agent started. */
  lastContactMs: z.nullable(UnixMs),
  consoleUrl: z.nullable(z.string()),
  agentVersion: z.nullable(z.string()),
  /** Hash of the plan that the leader gives it; null: its facts are not known yet. */
  desiredHash: z.nullable(Sha256Hex),
  /** What it last reported; null: nothing yet. */
  plan: z.nullable(PlanState),
})
export const SupervisedNodes = z.object({ version: z.literal(1), term: Term, nodes: z.array(SupervisedNode) })
export type SupervisedNodes = z.infer<typeof SupervisedNodes>

/** GET /v1/plans */
export const SupervisedPlans = z.object({
  version: z.literal(1),
  term: Term,
  plans: z.array(z.object({ bodyHash: Sha256Hex, revision: z.number(), body: PlanBody })),
  warnings: z.array(z.object({ nodeId: z.nullable(NodeId), sentence: z.string() })),
})
export type SupervisedPlans = z.infer<typeof SupervisedPlans>

/**
 * GET /v1/events: Server-Sent Events. At first `nodes` and `plans` as they are, then each anew when it differs, `term` when the lead changes hands,
 * and a comment line every 15 s. `id` grows; there is no replay: who comes back gets the present state.
 */
export const SUPERVISOR_EVENTS = ['nodes', 'plans', 'term'] as const
