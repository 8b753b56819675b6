import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, globSync, mkdirSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'

const app = path.resolve(import.meta.dirname, '../..')

/** The pages are served as built: only one development server may run in a folder, and tests run side by side. */
function builtIsFresh(): boolean {
  const built = path.join(app, '.next/BUILD_ID')
  if (!existsSync(built)) return false
  const builtAt = statSync(built).mtimeMs
  return globSync('src/{app,components,domain,web}/**/*.{ts,tsx,css}', { cwd: app }).every(
    (file) => statSync(path.join(app, file)).mtimeMs < builtAt,
  )
}

export interface CloudProcess {
  url: string
  dataRoot: string
  env: Record<string, string>
  child: ChildProcess
  log(): string
  /** SIGTERM; resolves with the exit code. */
  stop(): Promise<number | null>
  remove(): void
}

/** The real server with its own PostgreSQL, in a folder of its own. */
export async function startCloud(extra: Record<string, string> = {}): Promise<CloudProcess> {
  if (!builtIsFresh()) throw new Error('The cloud’s pages are not built from the present sources: npm run build -w @thatdam/cloud')
  const dataRoot = mkdtempSync(path.join(tmpdir(), 'thatdam-cloud-'))
  const releases = path.join(dataRoot, 'release')
  const install = path.join(dataRoot, 'install')
  writeRelease(releases, install)
  const readyFile = path.join(dataRoot, 'ready.json')
  const env: Record<string, string> = {
    NODE_ENV: 'production',
    NEXT_TELEMETRY_DISABLED: '1',
    DATA_ROOT: path.join(dataRoot, 'data'),
    RELEASES_DIR: releases,
    INSTALL_DIR: install,
    PORT: '0',
    READY_FILE: readyFile,
    ...extra,
  }
  const data = path.join(dataRoot, 'data')
  mkdirSync(data, { mode: 0o700 })
  const child = spawn(process.execPath, [path.join(app, 'src/server/main.ts')], {
    cwd: app,
    env: env as NodeJS.ProcessEnv,
    // With a channel: a test runner that is killed leaves no server behind.
    stdio: ['ignore', 'pipe', 'pipe', 'ipc'],
  })
  let log = ''
  for (const stream of [child.stdout, child.stderr]) stream?.on('data', (chunk: Buffer) => (log += chunk.toString()))
  for (const deadline = Date.now() + 60_000; !existsSync(readyFile); await delay(20)) {
    if (child.exitCode === null && Date.now() <= deadline) continue
    child.kill()
    throw new Error(`the cloud did not start:\n${log}`)
  }
  const { url } = JSON.parse(readFileSync(readyFile, 'utf8')) as { url: string }
  return {
    url: url.replace('localhost', '127.0.0.1'),
    dataRoot: data,
    env,
    child,
    log: () => log,
    stop: async () => {
      if (child.exitCode === null) {
        child.kill('SIGTERM')
        await once(child, 'exit')
      }
      return child.exitCode
    },
    remove: () => rmSync(dataRoot, { recursive: true, force: true }),
  }
}

export const ARCHIVE = Buffer.from('not really an archive, but these bytes exactly')

function writeRelease(releases: string, install: string): void {
  for (const dir of [releases, install]) mkdirSync(dir)
  const sha256 = 'ab'.repeat(32)
  const archive = { name: 'agent', platform: 'linux-x64', file: 'agent-linux-x64.tar.gz', sha256, sizeBytes: ARCHIVE.length }
  const manifest = { version: 1, release: '0.1.0', archives: [archive], releaseKey: 'A'.repeat(43), signature: 'A'.repeat(86) }
  writeFileSync(path.join(releases, 'release.json'), JSON.stringify(manifest))
  writeFileSync(path.join(releases, archive.file), ARCHIVE)
  writeFileSync(path.join(releases, 'secret.txt'), 'not in the manifest')
  writeFileSync(path.join(install, 'install.sh'), '#!/bin/sh\nBASE="@BASE_URL@"\nCHECKSUMS="@CHECKSUMS@"\n')
  writeFileSync(path.join(install, 'install.ps1'), '$Base = "@BASE_URL@"\n')
}
