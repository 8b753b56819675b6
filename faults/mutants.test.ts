import { globSync, readFileSync } from 'node:fs'
import path from 'node:path'
import { expect, test } from 'vitest'
import { EXPERIMENTS } from './list.ts'
import { loadMutant } from './mutant.ts'

const names = globSync('*.ts', { cwd: path.join(import.meta.dirname, 'mutants') }).map((file) => path.basename(file, '.ts'))

test('each planted fault still has its place in the sources, once', async () => {
  for (const name of names) {
    const { patches } = await loadMutant(name)
    expect(patches.length, name).toBeGreaterThan(0)
    for (const { file, find, replace } of patches) {
      const text = readFileSync(path.join(import.meta.dirname, '..', file), 'utf8')
      expect(text.split(find).length - 1, `${name} in ${file}: ${find}`).toBe(1)
      expect(replace, name).not.toBe(find)
    }
  }
})

test('each experiment has planted faults, and each planted fault an experiment', () => {
  const used = EXPERIMENTS.flatMap((experiment) => experiment.mutants)
  expect(EXPERIMENTS.filter((experiment) => experiment.mutants.length === 0).map((experiment) => experiment.name)).toEqual([])
  expect([...new Set(used)].toSorted()).toEqual(names.toSorted())
})
