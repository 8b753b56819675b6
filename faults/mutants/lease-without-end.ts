import type { Mutant } from '../contract.ts'

export const mutant: Mutant = {
  plants: 'a leader is believed in for ever',
  patches: [{ file: 'packages/plan/src/election/state.ts', find: '  leaseMs: 2_500,', replace: '  leaseMs: 3_600_000,' }],
}
