import type { Experiment } from './contract.ts'
import { anyOrder } from './experiments/any-order.ts'
import { failover } from './experiments/failover.ts'
import { offline } from './experiments/offline.ts'
import { partition } from './experiments/partition.ts'
import { pause } from './experiments/pause.ts'

/** Each has a file of its own in experiments/. */
export const EXPERIMENTS: readonly Experiment[] = [anyOrder, failover, partition, pause, offline]
