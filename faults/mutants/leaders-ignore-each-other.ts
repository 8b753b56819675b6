import type { Mutant } from '../contract.ts'

export const mutant: Mutant = {
  plants: 'two leaders that meet both go on',
  patches: [
    {
      file: 'packages/plan/src/election/leading.ts',
      find: "if (other.term.nodeId === state.nodeId || state.phase.kind !== 'leading') return done(state)",
      replace: "if (other.term.nodeId !== '' || state.phase.kind !== 'leading') return done(state)",
    },
  ],
}
