import * as z from 'zod/mini'
import { Bytes, PublicKey, Sha256Hex, Signature } from './ids.ts'

export const Platform = z.enum(['linux-x64', 'linux-arm64', 'darwin-x64', 'darwin-arm64', 'win32-x64'])
export type Platform = z.infer<typeof Platform>

/** One archive (.tar.gz) of the release: the agent of a platform, or a bundle that a plan's service needs. */
export const ReleaseArchive = z.object({
  name: z.enum(['agent', 'console']),
  platform: Platform,
  file: z.string().check(z.regex(/^[a-z0-9][a-z0-9._-]{0,127}$/)),
  sha256: Sha256Hex,
  sizeBytes: Bytes,
})
export type ReleaseArchive = z.infer<typeof ReleaseArchive>

/** `release.json` beside the archives; signed by the release key that an installed agent has pinned (`thatdam-release-v1`). */
export const ReleaseManifest = z.object({
  version: z.literal(1),
  release: z.string().check(z.maxLength(64)),
  archives: z.array(ReleaseArchive).check(z.maxLength(64)),
  releaseKey: PublicKey,
  signature: Signature,
})
export type ReleaseManifest = z.infer<typeof ReleaseManifest>
