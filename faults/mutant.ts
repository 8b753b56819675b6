import { spawnSync } from 'node:child_process'
import path from 'node:path'
import type { Mutant } from './contract.ts'

const root = path.resolve(import.meta.dirname, '..')

/** @throws Error when there is none of this name. */
export async function loadMutant(name: string): Promise<Mutant> {
  const { mutant } = (await import(`./mutants/${name}.ts`)) as { mutant: Mutant }
  return mutant
}

/** Bundles the agent with this fault in it, within a second. @returns the folder with thatdam.cjs. @throws Error with what the build said. */
export function buildMutant(name: string): string {
  const out = path.join(root, 'dist', 'mutants', name)
  const script = path.join(root, 'apps', 'agent', 'scripts', 'build.mjs')
  const built = spawnSync(process.execPath, [script, '--mutant', name, '--out', out], { encoding: 'utf8' })
  if (built.status !== 0) throw new Error(`The agent with the planted fault ${name} could not be built:\n${built.stdout}${built.stderr}`)
  return out
}
