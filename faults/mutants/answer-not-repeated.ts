import type { Mutant } from '../contract.ts'

export const mutant: Mutant = {
  plants: 'the cloud does not know a renewal again that it has answered',
  patches: [
    {
      file: 'packages/control/src/credentials.ts',
      find: 'if (ask.requestNonce === row.lastRequestNonce)',
      replace: "if (ask.requestNonce === '')",
    },
  ],
}
