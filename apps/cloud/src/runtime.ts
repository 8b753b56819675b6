import type { Accounts } from './domain/accounts.ts'
import type { Activity } from './domain/activity.ts'
import type { Limits } from './domain/limits.ts'
import type { Nodes } from './domain/nodes.ts'
import type { Rings } from './domain/rings.ts'
import type { Tokens } from './domain/tokens.ts'
import type { Base, Opened } from './server/addresses.ts'
import type { Releases } from './server/releases.ts'

/**
 * What the pages and routes work with. The server makes it before Next starts and leaves it here: pages run in the same process, but in
 * Next's own bundle, where the database client, argon2 and the instance key have no business.
 */
export interface Runtime {
  accounts: Accounts
  tokens: Tokens
  nodes: Nodes
  rings: Rings
  activity: Activity
  releases: Releases
  limits: Limits
  sessionSecret: string
  /** The addresses by which another machine reaches this server, for a page that was opened so. */
  baseFor: (opened: Opened) => Base
  /** Name of this machine. */
  hostname: string
}

const KEY = Symbol.for('thatdam.cloud.runtime')
type Holder = { [KEY]?: Runtime }

export function setRuntime(value: Runtime): void {
  ;(globalThis as Holder)[KEY] = value
}

export function runtime(): Runtime {
  const value = (globalThis as Holder)[KEY]
  if (value === undefined) throw new Error('the pages run only within src/server/main.ts')
  return value
}
