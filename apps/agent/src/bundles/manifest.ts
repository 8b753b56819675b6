import { verifySignature } from '@thatdam/control/keys'
import { ReleaseManifest, type Platform, type ReleaseArchive } from '@thatdam/protocol/bundle'
import { ThatdamError } from '@thatdam/protocol/errors'

/** @throws ThatdamError unless the manifest is signed by the key that this installation has pinned (THREATS 24). */
export function verifyManifest(value: unknown, pinnedKey: string, from: string): ReleaseManifest {
  const parsed = ReleaseManifest.safeParse(value)
  if (!parsed.success)
    throw new ThatdamError('UNPROCESSABLE', `The release list of ${from} is not one: ${parsed.error.issues[0]?.message ?? ''}.`)
  const { signature, ...signed } = parsed.data
  if (signed.releaseKey !== pinnedKey || !verifySignature('thatdam-release-v1', signed, signature, pinnedKey)) {
    throw new ThatdamError(
      'FORBIDDEN',
      `The release list of ${from} is not signed by the key that this agent was installed with; nothing of it is used. Install the agent again from a source you trust.`,
    )
  }
  return parsed.data
}

export function findArchive(manifest: ReleaseManifest, name: ReleaseArchive['name']): ReleaseArchive | null {
  const platform = `${process.platform}-${process.arch}` as Platform
  return manifest.archives.find((archive) => archive.name === name && archive.platform === platform) ?? null
}
