import type { Mutant } from '../contract.ts'

export const mutant: Mutant = {
  plants: 'the founder lets nobody in',
  patches: [
    { file: 'apps/agent/src/agent/cloud-link.ts', find: 'if (intents.length === 0) return', replace: 'if (intents.length < 1000) return' },
  ],
}
