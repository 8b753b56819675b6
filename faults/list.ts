import type { Experiment } from './contract.ts'
import { anyOrder } from './experiments/any-order.ts'
import { clock } from './experiments/clock.ts'
import { clone } from './experiments/clone.ts'
import { failover } from './experiments/failover.ts'
import { founding } from './experiments/founding.ts'
import { joinRace } from './experiments/join-race.ts'
import { offline } from './experiments/offline.ts'
import { partition } from './experiments/partition.ts'
import { pause } from './experiments/pause.ts'
import { restore } from './experiments/restore.ts'
import { sleep } from './experiments/sleep.ts'

/** Each has a file of its own in experiments/. */
export const EXPERIMENTS: readonly Experiment[] = [
  anyOrder,
  founding,
  failover,
  partition,
  pause,
  clock,
  offline,
  restore,
  sleep,
  joinRace,
  clone,
]
