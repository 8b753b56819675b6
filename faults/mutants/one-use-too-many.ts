import type { Mutant } from '../contract.ts'

export const mutant: Mutant = {
  plants: 'a token for one machine takes two',
  patches: [
    {
      file: 'apps/cloud/src/server/control-store.ts',
      find: 'if (token.uses >= token.usesMax)',
      replace: 'if (token.uses > token.usesMax)',
    },
  ],
}
