import type { Mutant } from '../contract.ts'

export const mutant: Mutant = {
  plants: 'the founder’s lease is over as soon as it begins',
  patches: [
    {
      file: 'packages/control/src/founding.ts',
      find: 'export const FOUNDING_LEASE_MS = 60_000',
      replace: 'export const FOUNDING_LEASE_MS = 0',
    },
  ],
}
