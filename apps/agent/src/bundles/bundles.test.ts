import { execFileSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, symlinkSync, utimesSync, writeFileSync } from 'node:fs'
import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { generateKey } from '@thatdam/control/keys'
import type { Platform } from '@thatdam/protocol/bundle'
import { bundleSource, type BundleOptions } from './source.ts'
import { unpack } from './unpack.ts'

let directory: string
let server: Server
const key = generateKey()
const signal = new AbortController().signal
const at = (name: string) => join(directory, name)

beforeEach(async () => {
  directory = mkdtempSync(join(tmpdir(), 'thatdam-bundles-'))
  mkdirSync(at('releases'))
  server = createServer((request, response) => {
    const file = at(`releases/${(request.url ?? '').replace('/releases/', '')}`)
    if (existsSync(file)) response.end(readFileSync(file))
    else response.writeHead(404).end()
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
})
afterEach(() => {
  server.closeAllConnections()
  server.close()
  rmSync(directory, { recursive: true, force: true })
})

const url = () => `http://127.0.0.1:${(server.address() as AddressInfo).port}`
const source = (more: Partial<BundleOptions> = {}) =>
  bundleSource({ bundlesDir: at('bundles'), consoleDir: null, releasesDir: null, cloudUrl: url, pinnedKey: key.publicKey, ...more })

function release(text: string, change: (archive: { sha256: string; sizeBytes: number }) => object = (archive) => archive): string {
  mkdirSync(at('content/sub'), { recursive: true })
  writeFileSync(at('content/server.mjs'), text)
  writeFileSync(at('content/sub/file'), 'x')
  execFileSync('tar', ['-czf', at('releases/console.tar.gz'), '-C', at('content'), '.'])
  const bytes = readFileSync(at('releases/console.tar.gz'))
  const sha256 = createHash('sha256').update(bytes).digest('hex')
  const platform = `${process.platform}-${process.arch}` as Platform
  const archive = { name: 'console' as const, platform, file: 'console.tar.gz', ...change({ sha256, sizeBytes: bytes.length }) }
  const signed = { version: 1, release: '1', archives: [archive], releaseKey: key.publicKey }
  writeFileSync(at('releases/release.json'), JSON.stringify({ ...signed, signature: key.sign('thatdam-release-v1', signed) }))
  return sha256
}

test('fetched from the cloud, verified, unpacked once; the two newest stay', async () => {
  const said: string[] = []
  const folders: string[] = []
  for (const text of ['one', 'two', 'three']) {
    const sha256 = release(text)
    const folder = await source().open('console', (sentence) => said.push(sentence), signal)
    expect(folder).toBe(at(`bundles/${sha256}`))
    expect(readFileSync(join(folder, 'server.mjs'), 'utf8')).toBe(text)
    utimesSync(folder, folders.length, folders.length)
    folders.push(folder)
  }
  expect(said).toContain('Unpacks the console.')
  expect(new Set(readdirSync(at('bundles')))).toEqual(new Set(folders.slice(1).map((folder) => folder.split('/').at(-1))))
  rmSync(at('releases/console.tar.gz'))
  expect(await source().open('console', () => {}, signal)).toBe(folders[2])
})

test('a local release folder is asked first; with nothing in reach, what was unpacked goes on', async () => {
  release('local')
  const folder = await source({ releasesDir: at('releases'), cloudUrl: () => null }).open('console', () => {}, signal)
  rmSync(at('releases/release.json'))
  expect(await source({ releasesDir: at('releases') }).open('console', () => {}, signal)).toBe(folder)
})

test('a list without the pinned signature, another checksum, a wrong size: refused, nothing unpacked', async () => {
  release('one')
  await expect(source({ pinnedKey: generateKey().publicKey }).open('console', () => {}, signal)).rejects.toThrow('not signed by the key')
  await expect(source({ pinnedKey: null }).open('console', () => {}, signal)).rejects.toThrow('no release key')
  release('two', (archive) => ({ ...archive, sha256: '0'.repeat(64) }))
  await expect(source().open('console', () => {}, signal)).rejects.toThrow('other checksum')
  release('three', (archive) => ({ ...archive, sizeBytes: 10 }))
  await expect(source().open('console', () => {}, signal)).rejects.toThrow('larger than its list says')
  const text = readFileSync(at('releases/release.json'), 'utf8').replace('"release":"1"', '"release":"2"')
  writeFileSync(at('releases/release.json'), text)
  await expect(source().open('console', () => {}, signal)).rejects.toThrow('not signed by the key')
  expect(readdirSync(at('bundles'))).toEqual([])
})

test('an archive that leaves its folder is not unpacked (THREATS 17)', async () => {
  mkdirSync(at('evil/deep'), { recursive: true })
  mkdirSync(at('bundles'))
  writeFileSync(at('evil/file'), 'x')
  const make = (name: string, ...args: string[]) => {
    execFileSync('tar', ['-czf', at(name), '-C', at('evil'), ...args], { stdio: 'pipe' })
    return unpack(at(name), at('bundles'), '1'.repeat(64))
  }
  await expect(make('a.tgz', '-P', '--transform=s,file,../file,', 'file')).rejects.toMatchObject({ code: 'BAD_PATH' })
  await expect(make('b.tgz', '-P', '--transform=s,file,/tmp/thatdam-evil,', 'file')).rejects.toMatchObject({ code: 'BAD_PATH' })
  for (const [link, target] of [
    ['absolute', '/etc'],
    ['up', '../..'],
    ['deep/up', '../../x'],
  ] as const) {
    symlinkSync(target, at(`evil/${link}`))
    await expect(make('c.tgz', link)).rejects.toMatchObject({ code: 'BAD_PATH' })
  }
  symlinkSync('../file', at('evil/deep/inside'))
  expect(readFileSync(join(await make('d.tgz', 'file', 'deep/inside'), 'deep/inside'), 'utf8')).toBe('x')
  expect(existsSync('/tmp/thatdam-evil')).toBe(false)
})

test('the console of a checkout is used as it is', async () => {
  mkdirSync(at('console'))
  await expect(source({ consoleDir: at('console') }).open('console', () => {}, signal)).rejects.toThrow('no server.mjs')
  writeFileSync(at('console/server.mjs'), '')
  expect(await source({ consoleDir: at('console') }).open('console', () => {}, signal)).toBe(at('console'))
})
