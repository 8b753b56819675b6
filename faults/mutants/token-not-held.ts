import type { Mutant } from '../contract.ts'

export const mutant: Mutant = {
  plants: 'redemptions of one token do not take turns',
  patches: [
    {
      file: 'apps/cloud/src/server/control-store.ts',
      find: 'WHERE "tokenKey" = ${input.tokenKey} FOR UPDATE`',
      replace: 'WHERE "tokenKey" = ${input.tokenKey}`',
    },
  ],
}
