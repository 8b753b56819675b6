import dns from 'node:dns'
import net from 'node:net'
import type { Finding } from '@thatdam/protocol/doctor'
import type { Check, CheckContext } from '../check.ts'
import { fail, ok, reasonOf, warn } from '../finding.ts'

const NAME = 'DNS'
const SLOW_MS = 1_000
const SERVER_LIMIT_MS = 1_500
const SERVERS_MAX = 4

/** Whether the cloud's name can be looked up, and how fast. */
export const check: Check = {
  name: NAME,
  limitMs: 5_500,
  run: async (context) => {
    if (!context.cloud) return []
    const host = context.cloud.hostname.replace(/^\[|\]$/g, '')
    if (net.isIP(host)) return [ok(NAME, `Not needed: the cloud’s address is ${host}.`)]
    return [await checkName(host, context)]
  },
}

async function checkName(host: string, context: CheckContext): Promise<Finding> {
  const startedMs = performance.now()
  const [looked, servers] = await Promise.all([lookUp(host), askServers(host)])
  const tookMs = looked.atMs - startedMs
  const silent = servers.filter((server) => !server.answers).map((server) => server.address)
  const silence = silent.length > 0 ? ` ${silent.join(', ')} ${silent.length === 1 ? 'does' : 'do'} not answer.` : ''
  if (looked.address === null)
    return fail(NAME, `The name ${host} cannot be resolved (${looked.reason}).${silence}`, fixOf(host, looked.reason, context))
  if (tookMs > SLOW_MS)
    return warn(
      NAME,
      `${host} is ${looked.address}, but looking it up took ${(tookMs / 1000).toFixed(1)} s.${silence}`,
      serverFix(context, silent[0] ?? null),
    )
  return ok(NAME, `${host} is ${looked.address} (${Math.max(1, Math.round(tookMs))} ms).`)
}

/** As every program here asks: hosts file, mDNS and search domains included. It cannot be cut short, so it must not be waited for for ever. */
async function lookUp(host: string): Promise<{ address: string | null; reason: string; atMs: number }> {
  const late = new Promise<{ address: null; reason: string }>((resolve) => {
    setTimeout(resolve, 5_000, { address: null, reason: 'no answer within 5 s' }).unref()
  })
  const asked = dns.promises.lookup(host).then(
    ({ address }) => ({ address, reason: '' }),
    (error: unknown) => ({ address: null, reason: reasonOf(error) }),
  )
  return { ...(await Promise.race([asked, late])), atMs: performance.now() }
}

/** Each server by itself. One that says “no such name” answers. */
async function askServers(host: string): Promise<{ address: string; answers: boolean }[]> {
  if (host.endsWith('.local') || host === 'localhost') return []
  const addresses = dns.getServers().slice(0, SERVERS_MAX)
  return await Promise.all(
    addresses.map(async (address) => {
      const resolver = new dns.promises.Resolver({ timeout: SERVER_LIMIT_MS, tries: 1 })
      resolver.setServers([address])
      const reason = await resolver.resolve4(host).then(
        () => null,
        (error: unknown) => reasonOf(error),
      )
      return { address, answers: reason === null || !/^(ETIMEOUT|ECONNREFUSED|ECANCELLED)$/.test(reason) }
    }),
  )
}

function fixOf(host: string, reason: string, context: CheckContext): string {
  const { machine, cloud } = context
  if (host.endsWith('.local') && machine.platform === 'linux')
    return `sudo apt-get install -y avahi-daemon libnss-mdns, or use its address: thatdam register --url ${cloud?.protocol}//ADDRESS${cloud?.port ? `:${cloud.port}` : ''}`
  if (reason === 'ENOTFOUND')
    return `Is the name right? Try in a browser: ${cloud?.origin}. When other machines find it: ${serverFix(context, null)}`
  return serverFix(context, null)
}

function serverFix({ machine }: CheckContext, silent: string | null): string {
  const take = silent === null ? 'see which DNS servers this machine asks' : `take ${silent} out of this machine’s DNS servers, or mend it`
  if (machine.platform === 'win32') return `${take}: Get-DnsClientServerAddress; then ipconfig /flushdns`
  if (machine.platform === 'darwin') return `${take}: scutil --dns; then sudo dscacheutil -flushcache`
  return machine.has('resolvectl') ? `${take}: resolvectl status; then sudo resolvectl flush-caches` : `${take}: cat /etc/resolv.conf`
}
