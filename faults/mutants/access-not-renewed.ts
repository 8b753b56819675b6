import type { Mutant } from '../contract.ts'

export const mutant: Mutant = {
  plants: 'access that is over is taken for a refusal',
  patches: [
    { file: 'apps/agent/src/cloud/cloud.ts', find: 'if (answer.status === 401) {', replace: 'if (answer.status === 418) {' },
    {
      file: 'apps/agent/src/cloud/cloud.ts',
      find: 'return accessToken === null || waitMs > 3600_000 ? 0 : Math.max(0, waitMs)',
      replace: 'return accessToken === null ? 0 : Math.max(60_000, waitMs)',
    },
  ],
}
