import * as z from 'zod/mini'
import { ClusterId, NodeId } from './ids.ts'

const ServiceNameText = z.string().check(z.maxLength(64))

/** The owner's wishes for one node. A field op of the op-log changes one of these; last writer wins by ring time. */
export const NodeSettings = z.object({
  name: z.string().check(z.trim(), z.minLength(1, 'A machine needs a name.'), z.maxLength(64, 'At most 64 characters.')),
  labels: z.array(z.string().check(z.trim(), z.minLength(1), z.maxLength(32))).check(z.maxLength(16, 'At most 16 labels.')),
  indexPaths: z.array(z.string().check(z.minLength(1), z.maxLength(1024))).check(z.maxLength(64)),
  /** Services the owner does not want on this node. */
  excludeServices: z.array(ServiceNameText).check(z.maxLength(32)),
  /** Never lead, never stand by. */
  excludeLeader: z.boolean(),
  quotas: z.object({
    maxDerives: z.optional(z.number().check(z.int(), z.minimum(0), z.maximum(64))),
    maxTranscodes: z.optional(z.number().check(z.int(), z.minimum(0), z.maximum(64))),
    maxIntel: z.optional(z.number().check(z.int(), z.minimum(0), z.maximum(64))),
    cpuReservePercent: z.optional(z.number().check(z.int(), z.minimum(0), z.maximum(90))),
  }),
  /** Local times "22:00"–"07:00" in which background work runs at full speed; outside it is gentle. Null: always. */
  quietHours: z.nullable(z.object({ from: z.string(), to: z.string() })),
})
export type NodeSettings = z.infer<typeof NodeSettings>

export const DEFAULT_SETTINGS = (name: string): NodeSettings => ({
  name,
  labels: [],
  indexPaths: [],
  excludeServices: [],
  excludeLeader: false,
  quotas: {},
  quietHours: null,
})

/** What a person may change from a page: any subset of the settings. Unknown keys are refused (THREATS 9). */
export const NodeSettingsPatch = z.strictObject({
  name: z.optional(NodeSettings.shape.name),
  labels: z.optional(NodeSettings.shape.labels),
  indexPaths: z.optional(NodeSettings.shape.indexPaths),
  excludeServices: z.optional(NodeSettings.shape.excludeServices),
  excludeLeader: z.optional(NodeSettings.shape.excludeLeader),
  quotas: z.optional(NodeSettings.shape.quotas),
  quietHours: z.optional(NodeSettings.shape.quietHours),
})
export type NodeSettingsPatch = z.infer<typeof NodeSettingsPatch>

/** Ring-wide wishes. Null `replicas` means: 1 alone, 2 from two store nodes on. */
export const RingPolicy = z.object({
  replicas: z.nullable(z.number().check(z.int(), z.minimum(1), z.maximum(8))),
  pinnedLeader: z.nullable(NodeId),
  /** The ring that goes on when two of the owner's meet. Null: the smaller id. */
  goesOn: z.nullable(ClusterId),
})
export type RingPolicy = z.infer<typeof RingPolicy>
export const POLICY_FIELDS = ['replicas', 'pinnedLeader', 'goesOn'] as const satisfies readonly (keyof RingPolicy)[]
export const DEFAULT_POLICY: RingPolicy = { replicas: null, pinnedLeader: null, goesOn: null }
