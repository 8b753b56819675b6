import { readdirSync } from 'node:fs'
import { NodeFacts } from '@thatdam/protocol/facts'
import { expect, test } from 'vitest'
import { loadProfile, PROFILE_NAMES } from './load.ts'

test('each profile is whole: the schema takes it and drops nothing', () => {
  for (const name of PROFILE_NAMES) {
    const facts = loadProfile(name)
    expect(NodeFacts.parse(facts)).toEqual(facts)
    expect(facts.hostname.toLowerCase()).toBe(name)
  }
})

test('each file of facts has a name', () => {
  const files = readdirSync(import.meta.dirname).filter((file) => file.endsWith('.json'))
  expect(files.toSorted()).toEqual(PROFILE_NAMES.map((name) => `${name}.json`).toSorted())
})

test('the five are what the design says of them', () => {
  const told = PROFILE_NAMES.map((name) => {
    const facts = loadProfile(name)
    return [name, facts.powerClass, facts.cpuCores, facts.uiAvailable, facts.alwaysOn, facts.cameras.length > 0, facts.indexPaths.length]
  })
  expect(told).toEqual([
    ['pi5-desktop', 'pi', 4, true, true, false, 0],
    ['pi5-server', 'pi', 4, false, true, false, 0],
    ['win11-editor', 'win', 16, true, false, true, 2],
    ['pizero-cam1', 'zero', 4, false, true, true, 0],
    ['macbook', 'mac', 10, true, false, true, 2],
  ])
})
