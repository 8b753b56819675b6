import type { Mutant } from '../contract.ts'

export const mutant: Mutant = {
  plants: 'the nonce of a renewal is not on the disk before it is asked',
  patches: [
    {
      file: 'apps/agent/src/cloud/cloud.ts',
      find: "randomBytes(16).toString('base64url'))\n    await this.keep(access)",
      replace: "randomBytes(16).toString('base64url'))",
    },
  ],
}
