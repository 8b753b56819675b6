import { spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { loadProfile, PROFILE_NAMES, profilePath } from '@thatdam/testkit/profiles/load'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'

let folder = ''
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'thatdam-plan-'))
})
afterAll(() => rmSync(folder, { recursive: true }))

function run(...args: string[]) {
  const done = spawnSync(process.execPath, [join(import.meta.dirname, 'cli.ts'), ...args], { encoding: 'utf8' })
  return { status: done.status, out: done.stdout, err: done.stderr }
}

describe('npm run plan', () => {
  test('prints the reference layout with each why, readable at 100 columns', () => {
    const { status, out } = run('--profiles', PROFILE_NAMES.join(','))
    expect(status).toBe(0)
    expect(out).toContain('pi5-desktop leads; pi5-server, then ')
    expect(out).toMatch(/local-console +This machine is always on and has a screen/)
    for (const line of out.split('\n')) expect(line.length).toBeLessThanOrEqual(100)
  })

  test('--json is one line with every body and hash, the same whatever order the machines are named in', () => {
    const { out } = run('--profiles', PROFILE_NAMES.join(','), '--json')
    expect(out.trim().split('\n')).toHaveLength(1)
    expect(JSON.parse(out).plans).toHaveLength(5)
    expect(run('--profiles', PROFILE_NAMES.toReversed().join(','), '--json').out).toBe(out)
  })

  test('takes a file of facts, and several machines of one kind', () => {
    const { status, out } = run('--profiles', `${profilePath('pizero-cam1')},pizero-cam1`)
    expect(status).toBe(0)
    expect(out).toContain('pizero-cam1-2 · proxy')
    expect(out).toContain('To look at:')
  })

  test('an unknown profile names the known ones', () => {
    const { status, err } = run('--profiles', 'pi6')
    expect(status).toBe(2)
    expect(err.trim()).toBe(
      'There is no profile and no file “pi6”. The profiles are pi5-desktop, pi5-server, win11-editor, pizero-cam1, macbook.',
    )
  })

  test('a file that holds no facts names the fields', () => {
    const path = join(folder, 'absurd.json')
    writeFileSync(path, JSON.stringify({ ...loadProfile('pi5-server'), ramBytes: -1, cpuCores: 10_000 }))
    const { status, err } = run('--profiles', path)
    expect(status).toBe(2)
    expect(err).toContain('cpuCores: ')
    expect(err).toContain('ramBytes: ')
    expect(err).not.toContain('    at ')
  })

  test('a file that is no JSON, an option that does not exist, nothing at all: a sentence, not a stack', () => {
    const path = join(folder, 'broken.json')
    writeFileSync(path, '{"version":1,')
    for (const args of [['--profiles', path], ['--profils', 'macbook'], [], ['--profiles', 'macbook', '--pin', 'nobody']]) {
      const { status, err } = run(...args)
      expect(status).toBe(2)
      expect(err.length).toBeGreaterThan(20)
      expect(err).not.toContain('    at ')
    }
  })
})
