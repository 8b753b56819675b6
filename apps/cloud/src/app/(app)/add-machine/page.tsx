import type { Metadata } from 'next'
import { AddMachine, type PlatformChoice } from '../../../components/add-machine.tsx'
import { runtime } from '../../../runtime.ts'
import { baseFor } from '../../../server/addresses.ts'
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

export default async function AddMachinePage() {
  const [, seen] = await Promise.all([requirePerson(), visitor()])
  const { releases, publicUrl } = runtime()
  const base = baseFor(seen, publicUrl)
  const built = await releases.platforms()
  const [sh, ps1] = await Promise.all([checksum(releases, 'install.sh', base.origin), checksum(releases, 'install.ps1', base.origin)])
  const platforms: PlatformChoice[] = [
    {
      id: 'linux',
      script: 'install.sh',
      sha256: sh,
      kinds: kinds(built, { 'linux-arm64': 'Raspberry Pi and other 64-bit ARM', 'linux-x64': '64-bit PC' }),
    },
    { id: 'macos', script: 'install.sh', sha256: sh, kinds: kinds(built, { 'darwin-arm64': 'Apple silicon', 'darwin-x64': 'Intel' }) },
    { id: 'windows', script: 'install.ps1', sha256: ps1, kinds: kinds(built, { 'win32-x64': '64-bit PC' }) },
  ]
  return <AddMachine base={base} platforms={platforms} />
}

const kinds = (built: readonly string[], names: Record<string, string>) =>
  Object.entries(names).map(([platform, label]) => ({ label, built: built.includes(platform) }))
