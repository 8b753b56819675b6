// The release key: installed agents pin its public half and take no code without its signature. It lies outside everything that the cloud reads.
import { createPrivateKey, createPublicKey, generateKeyPairSync, sign } from 'node:crypto'
import fs from 'node:fs'
import os from 'node:os'
import path from 'node:path'

/** @param {NodeJS.ProcessEnv} env */
export function releaseKeyFile(env) {
  return env.RELEASE_KEY_FILE || path.join(env.XDG_CONFIG_HOME || path.join(os.homedir(), '.config'), 'thatdam', 'release-key.pem')
}

/**
 * Reads the key, or makes it (0600, its folder 0700).
 * @param {string} file
 * @returns {{ publicKey: string, created: boolean, sign(manifest: Record<string, unknown>): string }} raw public key, base64url
 */
export function openReleaseKey(file) {
  const created = !fs.existsSync(file)
  if (created) {
    fs.mkdirSync(path.dirname(file), { recursive: true, mode: 0o700 })
    const pem = generateKeyPairSync('ed25519').privateKey.export({ type: 'pkcs8', format: 'pem' })
    // By a link into place: of two first packs at once, both go on with the key of one.
    const draft = `${file}.${process.pid}.tmp`
    fs.writeFileSync(draft, pem, { mode: 0o600 })
    try {
      fs.linkSync(draft, file)
    } catch (error) {
      if (/** @type {NodeJS.ErrnoException} */ (error).code !== 'EEXIST') throw error
    } finally {
      fs.rmSync(draft)
    }
  }
  const key = createPrivateKey(fs.readFileSync(file))
  if (key.asymmetricKeyType !== 'ed25519') throw new Error(`${file} holds no Ed25519 key. Name another file in RELEASE_KEY_FILE.`)
  const publicKey = createPublicKey(key).export({ type: 'spki', format: 'der' }).subarray(-32).toString('base64url')
  return { publicKey, created, sign: (manifest) => sign(null, Buffer.from(releaseText(manifest)), key).toString('base64url') }
}

/** What is signed: `thatdam-release-v1`, a line feed, canonical JSON (RFC 8785) without the signature. The same text as packages/protocol/src/signed.ts makes. @param {Record<string, unknown>} manifest */
function releaseText(manifest) {
  const { signature: _signature, ...rest } = manifest
  return `thatdam-release-v1\n${canonical(rest)}`
}

/** For what a manifest holds: strings, whole numbers, lists, records. @param {unknown} value @returns {string} */
function canonical(value) {
  if (Array.isArray(value)) return `[${value.map(canonical).join(',')}]`
  if (typeof value === 'object' && value !== null) {
    const record = /** @type {Record<string, unknown>} */ (value)
    return `{${Object.keys(record)
      .toSorted()
      .map((key) => `${JSON.stringify(key)}:${canonical(record[key])}`)
      .join(',')}}`
  }
  return JSON.stringify(value)
}
