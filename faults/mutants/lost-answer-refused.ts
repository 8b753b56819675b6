import type { Mutant } from '../contract.ts'

export const mutant: Mutant = {
  plants: 'a machine whose answer was lost is refused when it asks again',
  patches: [
    {
      file: 'apps/cloud/src/server/control-store.ts',
      find: 'if (before !== null && existing !== null && existing.organisationId === token.organisationId)',
      replace: 'if (before !== null && existing === null)',
    },
  ],
}
