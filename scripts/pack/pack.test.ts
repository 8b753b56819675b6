import { execFile } from 'node:child_process'
import { createHash } from 'node:crypto'
import fs from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { promisify } from 'node:util'
import { verifySignature } from '@thatdam/control/keys'
import { ReleaseManifest } from '@thatdam/protocol/bundle'
import { afterAll, beforeAll, expect, it, vi } from 'vitest'
import { writeTarGz } from './tar.mjs'

const run = promisify(execFile)
// Packs 240 MB several times: a minute on a machine that does other things too.
vi.setConfig({ testTimeout: 120_000 })
const checkout = path.resolve(import.meta.dirname, '../..')
const onLinux = process.platform === 'linux'
let root: string
let out: string
let keyFile: string

/** A checkout with small stand-ins for the two builds, and the real installed packages. */
beforeAll(() => {
  root = fs.realpathSync(fs.mkdtempSync(path.join(os.tmpdir(), 'thatdam-pack-')))
  out = path.join(root, 'out')
  keyFile = path.join(root, 'keys', 'release-key.pem')
  const write = (file: string, text: string) => {
    fs.mkdirSync(path.dirname(path.join(root, file)), { recursive: true })
    fs.writeFileSync(path.join(root, file), text)
  }
  const program = `const { exiftool } = require('exiftool-vendored')
    const about = [process.argv[2], require('sharp').versions.vips, typeof require('node-datachannel').PeerConnection, require('./package.json').version]
    exiftool.version().then((version) => { console.log(JSON.stringify([...about, version])); return exiftool.end() })`
  write('apps/agent/dist/thatdam.cjs', program)
  write('apps/agent/dist/services/indexer.cjs', '// stand-in')
  write('apps/local-console/dist/bundle/server.mjs', '// stand-in')
  for (const file of ['LICENSE', 'package.json', 'apps/agent/package.json']) write(file, fs.readFileSync(path.join(checkout, file), 'utf8'))
  fs.mkdirSync(path.join(root, 'packages/db'), { recursive: true })
  for (const folder of ['node_modules', 'infra']) fs.symlinkSync(path.join(checkout, folder), path.join(root, folder))
})
afterAll(() => fs.rmSync(root, { recursive: true, force: true }))

const pack = (to = out) =>
  run(process.execPath, [path.join(checkout, 'scripts/pack/pack.mjs'), '--root', root, '--out', to, '--level', '1'], {
    env: { ...process.env, RELEASE_KEY_FILE: keyFile },
  })
const manifest = () => ReleaseManifest.parse(JSON.parse(fs.readFileSync(path.join(out, 'release.json'), 'utf8')))

it('packs both archives and signs the list with a key of its own', async () => {
  await pack()
  const { signature, ...signed } = manifest()
  expect(verifySignature('thatdam-release-v1', signed, signature, signed.releaseKey)).toBe(true)
  expect(verifySignature('thatdam-release-v1', { ...signed, release: '9' }, signature, signed.releaseKey)).toBe(false)
  expect(fs.statSync(keyFile).mode & 0o777).toBe(0o600)
  expect(signed.archives.map((archive) => archive.name)).toEqual(['agent', 'console'])
  for (const archive of signed.archives) {
    const bytes = fs.readFileSync(path.join(out, archive.file))
    expect([bytes.length, createHash('sha256').update(bytes).digest('hex')]).toEqual([archive.sizeBytes, archive.sha256])
  }
  expect(fs.readFileSync(path.join(root, 'apps/agent/dist/release.pub'), 'utf8').trim()).toBe(signed.releaseKey)
})

it('does nothing when nothing changed, and gives the same bytes when it does it again', async () => {
  const before = manifest()
  const again = await pack()
  expect(again.stdout).toContain('nothing changed')
  await pack(path.join(root, 'second'))
  expect(fs.readFileSync(path.join(root, 'second/release.json'), 'utf8')).toBe(fs.readFileSync(path.join(out, 'release.json'), 'utf8'))
  fs.appendFileSync(path.join(root, 'apps/local-console/dist/bundle/server.mjs'), '\n// changed\n')
  await pack()
  expect(manifest().archives[0]).toEqual(before.archives[0])
  expect(manifest().archives[1]?.file).not.toBe(before.archives[1]?.file)
  expect(fs.readdirSync(out).filter((name) => name.startsWith('thatdam-console-'))).toHaveLength(1)
})

it('the unpacked agent runs with its own Node, native parts and Perl, also through a link', async () => {
  const [archive] = manifest().archives
  const home = path.join(root, 'un packed')
  fs.mkdirSync(home)
  await run('tar', ['-xzf', path.join(out, archive?.file ?? ''), '-C', home])
  fs.symlinkSync('un packed/bin/thatdam', path.join(root, 'link'))
  const { stdout } = await run(path.join(root, 'link'), ['a b'], { env: { PATH: '/usr/bin:/bin' } as unknown as NodeJS.ProcessEnv })
  const [argument, vips, channel, version, exiftool] = JSON.parse(stdout) as string[]
  expect([argument, channel]).toEqual(['a b', 'function'])
  expect(vips).toMatch(/^\d+\./)
  expect(exiftool).toMatch(/^\d+\./)
  expect(archive?.file).toContain(`-${version}-`)
  expect(fs.readFileSync(path.join(home, 'THIRD-PARTY-LICENCES.txt'), 'utf8')).toContain('zod ')
  expect(fs.existsSync(path.join(home, 'dist/services/indexer.cjs'))).toBe(true)
})

it.runIf(onLinux)('the unpacked console brings a PostgreSQL that starts, without links', async () => {
  const archive = manifest().archives[1]
  const home = path.join(root, 'console')
  fs.mkdirSync(home)
  await run('tar', ['-xzf', path.join(out, archive?.file ?? ''), '-C', home])
  const listed = fs.readdirSync(home, { recursive: true, withFileTypes: true })
  expect(listed.filter((item) => item.isSymbolicLink())).toEqual([])
  expect((await run(path.join(home, 'postgres/bin/postgres'), ['--version'])).stdout).toMatch(/PostgreSQL\) 18\./)
  const missing = await run('ldd', [path.join(home, 'postgres/bin/postgres'), path.join(home, 'postgres/bin/initdb')])
  expect(missing.stdout).not.toContain('not found')
})

it('tar: long names, links, odd characters and empty files come out as they went in', async () => {
  const long = `${'folder/'.repeat(30)}größe 🎞.txt`
  const file = path.join(root, 'odd.tar.gz')
  await writeTarGz(file, [
    { name: long, text: 'deep' },
    { name: 'empty', text: '' },
    { name: 'link', link: 'empty' },
    { name: 'run', text: '#!/bin/sh\n', mode: 0o755 },
  ])
  const home = path.join(root, 'odd')
  fs.mkdirSync(home)
  await run('tar', ['-xzf', file, '-C', home])
  expect(fs.readFileSync(path.join(home, long), 'utf8')).toBe('deep')
  expect(fs.readlinkSync(path.join(home, 'link'))).toBe('empty')
  expect(fs.statSync(path.join(home, 'empty')).size).toBe(0)
  expect(fs.statSync(path.join(home, 'run')).mode & 0o111).toBe(0o111)
  await expect(writeTarGz(file, [{ name: '../out', text: '' }])).rejects.toThrow('leave the archive')
  await expect(
    writeTarGz(file, [
      { name: 'a', text: '' },
      { name: 'a', text: '' },
    ]),
  ).rejects.toThrow('Two files')
})

it('says what is missing when the agent is not built', async () => {
  const empty = path.join(root, 'empty-checkout')
  fs.mkdirSync(empty)
  fs.copyFileSync(path.join(checkout, 'package.json'), path.join(empty, 'package.json'))
  const failed = run(process.execPath, [path.join(checkout, 'scripts/pack/pack.mjs'), '--root', empty], {
    env: { ...process.env, RELEASE_KEY_FILE: keyFile },
  })
  await expect(failed).rejects.toMatchObject({ code: 1, stderr: expect.stringContaining('The agent is not built') })
})
