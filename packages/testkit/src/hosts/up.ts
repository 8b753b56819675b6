import { command } from './command.ts'
import type { Hosts, HostsOptions } from './host.ts'
import { LoopbackHosts } from './loopback.ts'
import { namespaceName, startTicks } from './names.ts'
import { NamespaceHosts } from './namespaces.ts'
import { removeNamespace } from './sweep.ts'

/** Namespaces where the machine allows them, else loopback addresses with a notice that says so. */
export async function upHosts(options: HostsOptions): Promise<Hosts> {
  const count = options.subnets.reduce((sum, size) => sum + size, 0)
  if (options.mode === 'loopback') return new LoopbackHosts(count, 'asked for.')
  // Only the permission is asked for: what fails after that is a defect, not a reason to test less.
  const refusal = options.mode === 'namespaces' ? null : await whyNoNamespaces()
  return refusal === null ? NamespaceHosts.up(options.subnets, options.names) : new LoopbackHosts(count, refusal)
}

/** For tests that need what only namespaces have. Null where they are not allowed: the test says so and ends. */
export async function upNamespaces(subnets: readonly number[]): Promise<NamespaceHosts | null> {
  const hosts = await upHosts({ subnets })
  if (hosts instanceof NamespaceHosts) return hosts
  console.log(hosts.notice)
  return null
}

/** Why this machine allows no namespaces, in a few words; null: it does. */
export async function whyNoNamespaces(): Promise<string | null> {
  const probe = namespaceName({ pid: process.pid, startTicks: startTicks(process.pid) ?? 0 }, 0, 'bridge')
  try {
    await command('ip', ['netns', 'add', probe])
    await removeNamespace(probe)
    return null
  } catch (error) {
    return error instanceof Error ? (error.message.split('\n')[0] ?? '') : String(error)
  }
}
