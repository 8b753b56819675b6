import type { Mutant } from '../contract.ts'

export const mutant: Mutant = {
  plants: 'who leads never hands over to a better-ranked machine',
  patches: [
    { file: 'packages/plan/src/election/leading.ts', find: 'if (successor === null) return done(state)', replace: 'return done(state)' },
  ],
}
