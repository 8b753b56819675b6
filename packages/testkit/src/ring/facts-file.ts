import { writeFileSync } from 'node:fs'
import type { NodeFacts } from '@thatdam/protocol/facts'
import { loadProfile, type ProfileName } from '../profiles/load.ts'

/** What makes a machine this profile and no other. Cameras, addresses, ports and tools stay those that are really there. */
const TRAITS = [
  'os',
  'osName',
  'arch',
  'model',
  'cpuCores',
  'cpuModel',
  'ramBytes',
  'hasDocker',
  'gpus',
  'uiAvailable',
  'powerClass',
  'alwaysOn',
  'battery',
] as const

/**
 * Writes the facts of a profile for FACTS_FILE. The disk is the profile's own as well: what is free on the test machine changes while a
 * ring runs, and plans would change with it.
 */
export function writeFactsFile(file: string, profile: ProfileName, casRoot: string): void {
  const facts = loadProfile(profile)
  const traits = Object.fromEntries(TRAITS.map((trait) => [trait, facts[trait]])) as Pick<NodeFacts, (typeof TRAITS)[number]>
  const [disk] = facts.stores
  const stores = disk === undefined ? [] : [{ ...disk, root: casRoot }]
  writeFileSync(file, `${JSON.stringify({ ...traits, hostname: profile, stores })}\n`)
}
