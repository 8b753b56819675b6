import type { Mutant } from '../contract.ts'

export const mutant: Mutant = {
  plants: 'an agent that stood still goes on as if no time had passed',
  patches: [
    {
      file: 'packages/plan/src/election/machine.ts',
      find: 'return now.monotonicMs - last.monotonicMs > timing.stallMs || Math.abs(now.wallMs - last.wallMs) > timing.stallMs',
      replace: 'return false',
    },
  ],
}
