import type { Mutant } from '../contract.ts'

export const mutant: Mutant = {
  plants: 'an agent that stood still goes on as if no time had passed',
  patches: [
    {
      file: 'packages/plan/src/election/machine.ts',
      find: 'return now.monotonicMs - state.last.monotonicMs > state.timing.stallMs || now.wallMs - state.last.wallMs > state.timing.stallMs',
      replace: 'return false',
    },
  ],
}
