import * as z from 'zod/mini'
import { PublicKey } from '@thatdam/protocol/ids'
import { readJson, writeFileDurable } from '@thatdam/store/durable'

const Milliseconds = z.number().check(z.int(), z.nonnegative())

/** `credential.json`: the cloud that this machine is registered with, and its access. Missing: an unclaimed machine. */
export const Credential = z.object({
  version: z.literal(1),
  url: z.string(),
  /** The cloud's instance key, pinned when the machine was registered. */
  instanceKey: PublicKey,
  organisation: z.object({ id: z.string(), name: z.string() }),
  registeredAtMs: Milliseconds,
  /** The key under which access was given last. Left out: the one that this machine registered with. */
  nodeKey: z.optional(PublicKey),
  access: z.object({
    sequence: Milliseconds,
    pendingNonce: z.nullable(z.string()),
    accessToken: z.nullable(z.string()),
    renewAtMs: Milliseconds,
    expiresAtMs: Milliseconds,
  }),
})
export type Credential = z.infer<typeof Credential>

export const readCredential = (path: string): Promise<Credential | null> => readJson(path, Credential)

export const writeCredential = (path: string, credential: Credential): Promise<void> =>
  writeFileDurable(path, `${JSON.stringify(credential, null, 2)}\n`, { mode: 0o600 })
