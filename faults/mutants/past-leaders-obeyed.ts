import type { Mutant } from '../contract.ts'

export const mutant: Mutant = {
  plants: 'orders of past leaders are carried out',
  patches: [
    {
      file: 'packages/plan/src/election/machine.ts',
      find: 'return state.highest === null || compareTerms(state.clusterId, term, state.highest) >= 0',
      replace: 'return compareTerms(state.clusterId, term, term) >= 0',
    },
  ],
}
