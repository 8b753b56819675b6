import type { Mutant } from '../contract.ts'

export const mutant: Mutant = {
  plants: 'a renewal that was cut short is begun under a new nonce',
  patches: [
    {
      file: 'packages/control/src/credentials.ts',
      find: 'pendingNonce: state.pendingNonce ?? freshNonce',
      replace: 'pendingNonce: freshNonce',
    },
  ],
}
