import * as z from 'zod'

/** What the owner may choose for a token: by default one machine within 15 minutes. */
export const TokenChoice = z.strictObject({
  lifeMinutes: z
    .number()
    .int()
    .min(1)
    .max(30 * 24 * 60, 'At most 30 days.')
    .default(15),
  machines: z.number().int().min(1, 'At least one machine.').max(500, 'At most 500 machines.').default(1),
})
export type TokenChoice = z.infer<typeof TokenChoice>
