import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { NodeFacts } from '@thatdam/protocol/facts'
import { DEFAULT_POLICY, DEFAULT_SETTINGS } from '@thatdam/protocol/settings'
import { describeJson, describeText } from './describe.ts'
import { byText, type PlannedNode } from './roster-view.ts'
import { synthesise } from './synthesis/synthesise.ts'

/** The facts files of the reference machines lie with the test kit; this command reads them as files and imports nothing of it. */
const PROFILES_DIR = join(import.meta.dirname, '../../testkit/src/profiles')
const PROFILES = ['pi5-desktop', 'pi5-server', 'win11-editor', 'pizero-cam1', 'macbook']
/** The reference ring: any UUID would do, and another one may rank equals in another order. */
const CLUSTER_ID = 'c0ffee00-0000-4000-8000-000000000001'

const USAGE = `Prints who would do what in a ring of these machines, and why.

  npm run plan -- --profiles ${PROFILES.join(',')} [--json]
  npm run plan -- --profiles pi5-desktop,./my-machine.json

A machine is a profile (${PROFILES.join(', ')})
or the path of a JSON file with its facts, in the shape of the profiles' files.
  --away NAME[,NAME]   machines of the ring that do not answer now
  --pin NAME           the machine that the owner chose to lead
  --json               one line of JSON with every plan body and its hash`

class UsageError extends Error {}

function main(argv: string[]): number {
  const options = parse(argv)
  if (options.help === true || (options.profiles ?? '').trim() === '') {
    ;(options.help === true ? console.log : console.error)(USAGE)
    return options.help === true ? 0 : 2
  }
  const nodes = uniqueNames(splitNames(options.profiles).map(loadNode))
  const away = splitNames(options.away)
  for (const name of [...away, ...splitNames(options.pin)]) {
    if (!nodes.some((node) => node.nodeId === name)) {
      throw new UsageError(`${name} is not among the machines of this ring: ${nodes.map((node) => node.nodeId).join(', ')}.`)
    }
  }
  const layout = synthesise({
    clusterId: CLUSTER_ID,
    nodes: nodes.map((node) => ({ ...node, alive: !away.includes(node.nodeId) })),
    policy: { ...DEFAULT_POLICY, pinnedLeader: options.pin ?? null },
  })
  console.log(options.json === true ? describeJson(layout) : describeText(layout, 100))
  return 0
}

function parse(argv: string[]): { profiles?: string; away?: string; pin?: string; json?: boolean; help?: boolean } {
  try {
    return parseArgs({
      args: argv,
      options: {
        profiles: { type: 'string' },
        away: { type: 'string' },
        pin: { type: 'string' },
        json: { type: 'boolean' },
        help: { type: 'boolean', short: 'h' },
      },
    }).values
  } catch (error) {
    throw new UsageError(`${error instanceof Error ? error.message : String(error)}\n\n${USAGE}`)
  }
}

const splitNames = (text: string | undefined): string[] =>
  (text ?? '').split(',').flatMap((name) => (name.trim() === '' ? [] : [name.trim()]))

function loadNode(name: string): PlannedNode {
  const path = PROFILES.includes(name) ? join(PROFILES_DIR, `${name}.json`) : name
  if (!PROFILES.includes(name) && !existsSync(path)) {
    throw new UsageError(`There is no profile and no file “${name}”. The profiles are ${PROFILES.join(', ')}.`)
  }
  const facts = NodeFacts.safeParse(readJson(path))
  if (!facts.success) {
    const issues = facts.error.issues.map((issue) => `  ${issue.path.join('.') || 'the file'}: ${issue.message}`)
    throw new UsageError(`${path} does not hold the facts of a machine. Correct these fields:\n${issues.slice(0, 12).join('\n')}`)
  }
  const nodeId = nodeIdOf(facts.data.hostname)
  return { nodeId, facts: facts.data, settings: DEFAULT_SETTINGS(nodeId), bootCounter: 0, alive: true }
}

function readJson(path: string): unknown {
  try {
    return JSON.parse(readFileSync(path, 'utf8'))
  } catch (error) {
    throw new UsageError(`${path} cannot be read as JSON: ${error instanceof Error ? error.message : String(error)}. Give a file of facts.`)
  }
}

function nodeIdOf(hostname: string): string {
  const id = hostname
    .toLowerCase()
    .replaceAll(/[^a-z0-9]+/g, '-')
    .replaceAll(/^-|-$/g, '')
  return id.slice(0, 56).replace(/-$/, '') || 'machine'
}

/** Ten equal machines are told apart by a number, the same whatever order they are named in. */
function uniqueNames(nodes: PlannedNode[]): PlannedNode[] {
  const seen = new Map<string, number>()
  return nodes
    .toSorted((a, b) => byText(a.nodeId, b.nodeId) || byText(JSON.stringify(a.facts), JSON.stringify(b.facts)))
    .map((node) => {
      const count = (seen.get(node.nodeId) ?? 0) + 1
      seen.set(node.nodeId, count)
      if (count === 1) return node
      const nodeId = `${node.nodeId}-${count}`
      return { ...node, nodeId, settings: DEFAULT_SETTINGS(nodeId) }
    })
}

try {
  process.exitCode = main(process.argv.slice(2))
} catch (error) {
  if (!(error instanceof UsageError)) throw error
  console.error(error.message)
  process.exitCode = 2
}
