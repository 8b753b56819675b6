import type { ToolResult } from '../../facts/tool.ts'
import type { CheckContext } from '../check.ts'
import { readEnv } from '../../env.ts'
import { makeContext } from '../examine.ts'
import type { Machine } from '../machine.ts'

type Output = string | Partial<ToolResult>

/** A machine of another system: what its tools say, by the beginning of the command line; every other tool is missing. */
export function otherMachine(platform: NodeJS.Platform, tools: Readonly<Record<string, Output>>, more: Partial<Machine> = {}): Machine {
  const answer = (line: string): ToolResult => {
    const found = Object.entries(tools).find(([start]) => line.startsWith(start))?.[1]
    const given = typeof found === 'string' ? { stdout: found } : found
    return { code: found === undefined ? null : 0, stdout: '', stderr: '', missing: found === undefined, timedOut: false, ...given }
  }
  return {
    platform,
    hostname: 'studio',
    isRoot: false,
    user: 'ada',
    home: '/Users/ada',
    run: async (tool, args) => answer([tool.split('/').at(-1), ...args].join(' ')),
    has: (tool) => Object.keys(tools).some((line) => line.split(' ')[0] === tool),
    read: async () => null,
    ...more,
  }
}

/** A context on an empty state directory, nobody near, with what the test says. */
export async function contextOf(stateDir: string, more: Partial<CheckContext> = {}): Promise<CheckContext> {
  const env = readEnv({ STATE_DIR: stateDir })
  return { ...(await makeContext(env, more.machine)), lookAround: async () => ({ interfaces: [], sameName: [], nodes: [] }), ...more }
}
