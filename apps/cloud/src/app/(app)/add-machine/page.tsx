import type { Metadata } from 'next'
import { type Address, AddMachine, type PlatformChoice } from '../../../components/add-machine.tsx'
import { OpenTokens } from '../../../components/open-tokens.tsx'
import { runtime } from '../../../runtime.ts'
import type { BaseOrigin } from '../../../server/addresses.ts'
import type { Releases, ScriptName } from '../../../server/releases.ts'
import { requirePerson, visitor } from '../../../web/session.ts'

export const metadata: Metadata = { title: 'Add a machine' }

/** Null: this installation has no such script. */
async function checksum(releases: Releases, name: ScriptName, origin: string): Promise<string | null> {
  try {
    return (await releases.script(name, origin)).sha256
  } catch {
    return null
  }
}

/** A script holds the address that it was fetched by, so that each address has checksums of its own. */
async function withChecksums(releases: Releases, { origin, label }: BaseOrigin): Promise<Address> {
  const [sh, ps1] = await Promise.all([checksum(releases, 'install.sh', origin), checksum(releases, 'install.ps1', origin)])
  return { origin, label, sha256: { 'install.sh': sh, 'install.ps1': ps1 } }
}

export default async function AddMachinePage() {
  const [person, seen] = await Promise.all([requirePerson(), visitor()])
  const { releases, tokens, baseFor } = runtime()
  const { origins, loopbackOnly } = baseFor(seen)
  const [built, open, addresses] = await Promise.all([
    releases.platforms(),
    tokens.open(person.organisationId),
    Promise.all(origins.map((one) => withChecksums(releases, one))),
  ])
  const platforms: PlatformChoice[] = [
    {
      id: 'linux',
      script: 'install.sh',
      kinds: kinds(built, { 'linux-arm64': 'Raspberry Pi and other 64-bit ARM', 'linux-x64': '64-bit PC' }),
    },
    { id: 'macos', script: 'install.sh', kinds: kinds(built, { 'darwin-arm64': 'Apple silicon', 'darwin-x64': 'Intel' }) },
    { id: 'windows', script: 'install.ps1', kinds: kinds(built, { 'win32-x64': '64-bit PC' }) },
  ]
  return (
    <div className="flex max-w-[760px] flex-col gap-6">
      <AddMachine addresses={addresses} loopbackOnly={loopbackOnly} platforms={platforms} />
      <OpenTokens first={open} />
    </div>
  )
}

const kinds = (built: readonly string[], names: Record<string, string>) =>
  Object.entries(names).map(([platform, label]) => ({ label, built: built.includes(platform) }))
