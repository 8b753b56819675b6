import { existsSync } from 'node:fs'
import { join, sep } from 'node:path'
import type { ServiceConfig } from '@thatdam/protocol/local'
import { statePaths } from '../state/paths.ts'

/** A path that a service in a sandbox may see. */
export interface OpenPath {
  readonly path: string
  readonly writable: boolean
  /** Nothing is at this path for the service. */
  readonly hidden: boolean
}

/**
 * What a service needs of the disk: its state and the store to write, its media and its program to read. The agent's own secrets in the
 * state directory are hidden. Only what exists, parents before what lies in them.
 */
export function openPaths(from: { readonly config: ServiceConfig; readonly program: readonly string[] }): OpenPath[] {
  const { config, program } = from
  const state = statePaths(config.stateDir)
  const files = config.cameras.filter(({ kind }) => kind === 'file').map(({ locator }) => locator)
  const writable = distinct([config.stateDir, config.casRoot])
  const readable = distinct([...program, ...config.indexPaths, ...files]).filter((path) => !writable.some((outer) => isWithin(outer, path)))
  return [
    ...writable.map((path) => ({ path, writable: true, hidden: false })),
    ...readable.map((path) => ({ path, writable: false, hidden: false })),
    ...distinct([state.identity, state.credential, state.owner]).map((path) => ({ path, writable: false, hidden: true })),
  ].toSorted((a, b) => a.path.split(sep).length - b.path.split(sep).length || (a.path < b.path ? -1 : 1))
}

export const isWithin = (outer: string, path: string): boolean => path === outer || path.startsWith(join(outer, sep))

const distinct = (paths: readonly string[]): string[] => [...new Set(paths)].filter((path) => path.startsWith(sep) && existsSync(path))
