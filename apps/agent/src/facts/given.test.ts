import fs from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { loadProfile, profilePath } from '@thatdam/testkit/profiles/load'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { gatherFacts } from './gather.ts'
import { readGivenFacts } from './given.ts'
import { readKnownFacts } from './known.ts'

let folder = ''
beforeAll(() => {
  folder = fs.mkdtempSync(path.join(os.tmpdir(), 'thatdam-given-'))
})
afterAll(() => fs.rmSync(folder, { recursive: true, force: true }))

const file = (text: string): string => {
  const name = path.join(folder, 'given.json')
  fs.writeFileSync(name, text)
  return name
}

const gather = (factsFile: string | null) =>
  gatherFacts({
    agentVersion: '0.1.0-test',
    bootCounter: 3,
    storeRoots: [folder],
    indexPaths: [folder],
    consolePort: 8080,
    consoleBind: 'loopback',
    ffmpegPath: null,
    testCameras: [],
    encoderCacheFile: null,
    factsFile,
  })

it('replaces what was gathered, field by field, and leaves the rest', async () => {
  const facts = await gather(file('{"cpuCores": 77, "powerClass": "zero", "battery": {"percent": 40, "charging": false}}'))
  expect([facts.cpuCores, facts.powerClass, facts.battery?.percent]).toEqual([77, 'zero', 40])
  expect([facts.agentVersion, facts.bootCounter, facts.hostname]).toEqual(['0.1.0-test', 3, os.hostname()])
})

it('a whole profile makes this machine another', async () => {
  expect(await gather(profilePath('pizero-cam1'))).toEqual(loadProfile('pizero-cam1'))
})

it('is read again at each gathering, and put over the facts of the last run', async () => {
  expect((await gather(file('{"alwaysOn": true}'))).alwaysOn).toBe(true)
  const later = await gather(file('{"alwaysOn": false}'))
  expect(later.alwaysOn).toBe(false)
  const kept = path.join(folder, 'facts.json')
  fs.writeFileSync(kept, JSON.stringify(later))
  const now = { bootCounter: 4, agentVersion: '0.1.0-test', port: 8081, bind: 'lan', factsFile: file('{"cpuCores": 5}') } as const
  const known = await readKnownFacts(kept, now)
  expect([known?.cpuCores, known?.bootCounter, known?.alwaysOn]).toEqual([5, 4, false])
})

it('names the field, or the file, that cannot be used', async () => {
  await expect(readGivenFacts(file('{"cpuCores": "many"}'))).rejects.toThrow(/field cpuCores in FACTS_FILE .*given\.json cannot be used/)
  await expect(readGivenFacts(file('{"battery": {"percent": 140, "charging": true}}'))).rejects.toThrow('field battery.percent')
  await expect(readGivenFacts(file('{"cpuCoers": 4}'))).rejects.toThrow('field cpuCoers in FACTS_FILE')
  await expect(readGivenFacts(file('[]'))).rejects.toThrow('JSON object')
  await expect(readGivenFacts(file('{"torn'))).rejects.toThrow('not JSON')
  await expect(readGivenFacts(path.join(folder, 'absent.json'))).rejects.toThrow('absent.json cannot be read (ENOENT)')
})
