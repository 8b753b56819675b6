import type { Mutant } from '../contract.ts'

export const mutant: Mutant = {
  plants: 'a machine whose disk was put back takes nothing of what it had written since',
  patches: [
    {
      file: 'packages/oplog/src/disk/import.ts',
      find: "context.own.epochs.includes(epoch)) return { kind: 'own-epoch' }",
      replace: "context.own.epochs.includes(epoch)) return { kind: 'known' }",
    },
  ],
}
