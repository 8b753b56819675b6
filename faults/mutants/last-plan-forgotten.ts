import type { Mutant } from '../contract.ts'

export const mutant: Mutant = {
  plants: 'the plan on disk is not applied at the start',
  patches: [
    {
      file: 'apps/agent/src/agent/plan-keeper.ts',
      find: 'return this.current && planOf(this.current)',
      replace: 'return null',
    },
  ],
}
