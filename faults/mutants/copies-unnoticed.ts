import type { Mutant } from '../contract.ts'

export const mutant: Mutant = {
  plants: 'the cloud takes a copied disk for the same machine',
  patches: [
    { file: 'packages/control/src/credentials.ts', find: 'if (ask.sequence < row.sequence) {', replace: 'if (ask.sequence < 0) {' },
  ],
}
