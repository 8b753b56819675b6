import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { NodeFacts } from '@thatdam/protocol/facts'

/** The five reference machines. Each has a file of facts beside this one. */
export const PROFILE_NAMES = ['pi5-desktop', 'pi5-server', 'win11-editor', 'pizero-cam1', 'macbook'] as const
export type ProfileName = (typeof PROFILE_NAMES)[number]

/** Where a profile's facts lie: an agent under test can be given this file. */
export const profilePath = (name: ProfileName): string => join(import.meta.dirname, `${name}.json`)

/** @throws when the file is not what the schema of facts asks for. A fresh object with each call. */
export function loadProfile(name: ProfileName): NodeFacts {
  return NodeFacts.parse(JSON.parse(readFileSync(profilePath(name), 'utf8')))
}
