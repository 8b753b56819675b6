import type { Experiment } from './contract.ts'
import { offline } from './experiments/offline.ts'
import { pause } from './experiments/pause.ts'

/** Each has a file of its own in experiments/. */
export const EXPERIMENTS: readonly Experiment[] = [pause, offline]
