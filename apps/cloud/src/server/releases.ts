import { createHash } from 'node:crypto'
import { createReadStream } from 'node:fs'
import { open, readFile } from 'node:fs/promises'
import type { IncomingMessage, ServerResponse } from 'node:http'
import path from 'node:path'
import { pipeline } from 'node:stream/promises'
import { type Platform, ReleaseManifest } from '@thatdam/protocol/bundle'
import { NOT_FOUND_BODY, ThatdamError } from '@thatdam/protocol/errors'
import { sendJson } from './answers.ts'

export type ScriptName = 'install.sh' | 'install.ps1'
export interface Script {
  text: string
  sha256: string
}
const CONTENT_TYPES: Record<ScriptName, string> = {
  'install.sh': 'text/x-shellscript; charset=utf-8',
  'install.ps1': 'text/plain; charset=utf-8',
}

/** The archives that this checkout built, and the scripts that fetch them. Nothing outside the manifest is ever opened. */
export class Releases {
  readonly #releasesDir: string
  readonly #installDir: string
  constructor(dirs: { releasesDir: string; installDir: string }) {
    this.#releasesDir = dirs.releasesDir
    this.#installDir = dirs.installDir
  }

  /** Null while nothing was built. Read anew each time: a build may end while the server runs. */
  async manifest(): Promise<ReleaseManifest | null> {
    try {
      const parsed = ReleaseManifest.safeParse(JSON.parse(await readFile(path.join(this.#releasesDir, 'release.json'), 'utf8')))
      return parsed.success ? parsed.data : null
    } catch {
      return null
    }
  }

  /** Platforms whose agent can be installed from here. */
  async platforms(): Promise<Platform[]> {
    const manifest = await this.manifest()
    return [...new Set(manifest?.archives.filter((archive) => archive.name === 'agent').map((archive) => archive.platform))]
  }

  /** The script as this address serves it. @throws ThatdamError UNAVAILABLE when the installation lacks it. */
  async script(name: ScriptName, origin: string): Promise<Script> {
    let template: string
    try {
      template = await readFile(path.join(this.#installDir, name), 'utf8')
    } catch (error) {
      throw new ThatdamError('UNAVAILABLE', `This installation has no ${name}. Install ThatDAM’s cloud app again.`, { cause: error })
    }
    const text = fill(template, origin, await this.manifest())
    return { text, sha256: createHash('sha256').update(text).digest('hex') }
  }

  async serveScript(response: ServerResponse, name: ScriptName, origin: string): Promise<void> {
    const { text } = await this.script(name, origin)
    response.writeHead(200, {
      'content-type': CONTENT_TYPES[name],
      'content-length': Buffer.byteLength(text),
      'cache-control': 'no-store',
      'x-content-type-options': 'nosniff',
    })
    response.end(text)
  }

  /** GET /releases/<file> and /releases/release.json. */
  async serveFile(request: IncomingMessage, response: ServerResponse, name: string): Promise<void> {
    const manifest = await this.manifest()
    const known = name === 'release.json' ? manifest !== null : (manifest?.archives.some((archive) => archive.file === name) ?? false)
    const file = known ? await openOrNull(path.join(this.#releasesDir, name)) : null
    if (file === null) {
      sendJson(response, 404, NOT_FOUND_BODY)
      return
    }
    try {
      const { size } = await file.stat()
      const type = name === 'release.json' ? 'application/json' : 'application/gzip'
      response.writeHead(200, { 'content-type': type, 'content-length': size, 'x-content-type-options': 'nosniff' })
      if (request.method === 'HEAD' || size === 0) response.end()
      else await pipeline(createReadStream('', { fd: file.fd, autoClose: false, end: size - 1 }), response)
    } finally {
      await file.close()
    }
  }
}

async function openOrNull(file: string) {
  try {
    return await open(file, 'r')
  } catch {
    return null
  }
}

/** `@BASE_URL@` is the server's address; `@CHECKSUMS@` a line `<platform> <sha256> <file>` for each agent archive. */
function fill(template: string, origin: string, manifest: ReleaseManifest | null): string {
  const archives = manifest?.archives.filter((archive) => archive.name === 'agent') ?? []
  const checksums = archives.map((archive) => `${archive.platform} ${archive.sha256} ${archive.file}`).join('\n')
  return template.replaceAll('@BASE_URL@', () => origin).replaceAll('@CHECKSUMS@', () => checksums)
}
