'use client'
import { CopyLine } from '@thatdam/ui/copy-button'
import type { Address, PlatformChoice } from './add-machine.tsx'

/** The script is trusted on first use; who does not like that compares it first. */
export function ScriptTrust({ platform, address }: { platform: PlatformChoice; address: Address }) {
  const { origin } = address
  const sha256 = address.sha256[platform.script]
  const check =
    platform.id === 'windows'
      ? `irm ${origin}/install.ps1 -OutFile install.ps1; (Get-FileHash install.ps1).Hash.ToLower()`
      : `curl -fsSL ${origin}/install.sh | ${platform.id === 'macos' ? 'shasum -a 256' : 'sha256sum'}`
  return (
    <details className="border-t border-line pt-4">
      <summary className="text-lg text-ink-soft hover:text-ink">Check the script before running it</summary>
      <div className="mt-4 flex flex-col gap-3">
        <p className="text-base text-ink-soft">
          The command trusts this server’s script on first use; after that the machine knows this server by its key, and the token itself
          never crosses the network. To compare the script first, run this there and look whether it prints the same checksum.
        </p>
        <CopyLine text={check} />
        {sha256 === null ? (
          <p className="text-base text-ink-soft">This installation has no {platform.script}.</p>
        ) : (
          <p className="text-base">
            SHA-256 <code className="font-mono [overflow-wrap:anywhere]">{sha256}</code>
          </p>
        )}
      </div>
    </details>
  )
}
