import type { Mutant } from '../contract.ts'

export const mutant: Mutant = {
  plants: 'a machine whose answer was lost is refused when it asks again',
  patches: [
    {
      file: 'apps/cloud/src/server/control-store.ts',
      find: 'if (existing?.organisationId !== token.organisationId || existing.revokedAt !== null)',
      replace: 'if (existing !== null)',
    },
  ],
}
