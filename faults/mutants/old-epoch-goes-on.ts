import type { Mutant } from '../contract.ts'

export const mutant: Mutant = {
  plants: 'a machine whose disk was put back goes on in its old log',
  patches: [
    {
      file: 'packages/oplog/src/disk/import.ts',
      find: 'if (nodeId === context.own.nodeId && context.own.epochs.includes(epoch)) return',
      replace: "if (nodeId === '' && context.own.epochs.includes(epoch)) return",
    },
  ],
}
