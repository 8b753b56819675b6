import type { Mutant } from '../contract.ts'

export const mutant: Mutant = {
  plants: 'orders of past leaders are carried out',
  patches: [
    {
      file: 'packages/plan/src/election/machine.ts',
      find: 'return mayBeLed(state, term) && (state.highest === null || compareTerms(state.clusterId, term, state.highest) >= 0)',
      replace: 'return mayBeLed(state, term)',
    },
    {
      file: 'apps/agent/src/ring/leadership.ts',
      find: 'if (isEarlier(this.arriving) || isEarlier(this.taken)) return false',
      replace: 'if (isEarlier(null)) return false',
    },
  ],
}
