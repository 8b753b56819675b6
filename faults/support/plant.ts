/*
 * Plants a fault in a program that runs from its sources: `node --import plant.ts PROGRAM FOLDER [NAME]`. As with the bundled agent,
 * a place that is not there exactly once ends the program: a fault that is not planted would pass for one that nobody notices.
 */
import { readFileSync } from 'node:fs'
import { registerHooks } from 'node:module'
import path from 'node:path'
import { pathToFileURL } from 'node:url'
import { loadMutant } from '../mutant.ts'

const root = path.resolve(import.meta.dirname, '../..')
const [, , , name = ''] = process.argv

if (name !== '') {
  const changed = new Map<string, string>()
  for (const { file, find, replace } of (await loadMutant(name)).patches) {
    const at = path.join(root, file)
    const url = pathToFileURL(at).href
    const text = changed.get(url) ?? readFileSync(at, 'utf8')
    if (text.split(find).length !== 2) throw new Error(`the place of ${name} is not in ${file} exactly once: ${find}`)
    changed.set(
      url,
      text.replace(find, () => replace),
    )
  }
  registerHooks({
    load: (url, context, next) => {
      const source = changed.get(url)
      return source === undefined ? next(url, context) : { format: 'module-typescript', source, shortCircuit: true }
    },
  })
}
