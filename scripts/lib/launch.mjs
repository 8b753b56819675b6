import fs from 'node:fs'
import { inRoot } from './paths.mjs'

/**
 * How the agent's Node is started, installed or not: small heaps, few arenas, and no compilers, for the agent's work is waiting and what they
 * make costs 7 MB. A child service gets flags of its own.
 * @type {{ flags: readonly string[], environment: Readonly<Record<string, string>> }}
 */
export const launch = JSON.parse(fs.readFileSync(inRoot('apps', 'agent', 'launch.json'), 'utf8'))
