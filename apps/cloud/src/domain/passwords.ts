import { hash, verify } from '@node-rs/argon2'

/** OWASP's second choice of argon2id parameters (19 MiB, 2 passes): 40 ms here, bearable on a Pi. */
const COST = { memoryCost: 19_456, timeCost: 2, parallelism: 1 }

export const hashPassword = (password: string): Promise<string> => hash(password, COST)

let decoy: Promise<string> | undefined

/** Takes as long for an unknown account (null) as for a known one. */
export async function checkPassword(passwordHash: string | null, password: string): Promise<boolean> {
  decoy ??= hashPassword('nobody has this password')
  const matches = await verify(passwordHash ?? (await decoy), password)
  return matches && passwordHash !== null
}
