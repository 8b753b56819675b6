import type { Mutant } from '../contract.ts'

/** A race of milliseconds, drawn out so that five machines always meet in it. */
export const mutant: Mutant = {
  plants: 'whether there is a ring already is asked before the organisation’s turn',
  patches: [
    {
      file: 'apps/cloud/src/server/ring-store.ts',
      find: `  await lockOrganisation(tx, organisationId)
  const before = await tx.cluster.findUnique({ where: { organisationId } })
`,
      replace: `  const before = await tx.cluster.findUnique({ where: { organisationId } })
  await new Promise((resolve) => setTimeout(resolve, 1_000))
  await lockOrganisation(tx, organisationId)
`,
    },
  ],
}
