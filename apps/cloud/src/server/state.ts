import { randomBytes } from 'node:crypto'
import { closeSync, fsyncSync, mkdirSync, openSync, readFileSync, renameSync, writeSync } from 'node:fs'
import path from 'node:path'
import { type KeyPair, keyFromSeed } from '@thatdam/control/keys'
import { ThatdamError } from '@thatdam/protocol/errors'

/** Reads a secret of this installation, or makes it (0600, fsynced, renamed: never half written). */
function keptSecret(file: string, make: () => string): string {
  try {
    return readFileSync(file, 'utf8').trim()
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error
  }
  const draft = `${file}.${process.pid}`
  const handle = openSync(draft, 'w', 0o600)
  const secret = make()
  writeSync(handle, secret)
  fsyncSync(handle)
  closeSync(handle)
  renameSync(draft, file)
  if (process.platform !== 'win32') {
    const dir = openSync(path.dirname(file), 'r')
    fsyncSync(dir)
    closeSync(dir)
  }
  return secret
}

export interface Secrets {
  /** Ed25519 key of this cloud: every join token pins it. */
  instance: KeyPair
  /** Signs session cookies. */
  sessionSecret: string
}

/** @throws ThatdamError INTERNAL when the instance key's file was damaged. */
export function loadSecrets(dataRoot: string, sessionSecret: string | undefined): Secrets {
  mkdirSync(dataRoot, { recursive: true, mode: 0o700 })
  const keyFile = path.join(dataRoot, 'instance.key')
  const seed = keptSecret(keyFile, () => randomBytes(32).toString('base64url'))
  let instance: KeyPair
  try {
    instance = keyFromSeed(seed)
  } catch (error) {
    throw new ThatdamError(
      'INTERNAL',
      `The key file ${keyFile} is damaged. Restore it from a backup: without it, machines that joined do not know this server any more.`,
      { cause: error },
    )
  }
  return {
    instance,
    sessionSecret: sessionSecret ?? keptSecret(path.join(dataRoot, 'session.secret'), () => randomBytes(32).toString('base64url')),
  }
}
