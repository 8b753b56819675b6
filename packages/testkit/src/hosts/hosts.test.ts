import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { readdirSync } from 'node:fs'
import { join } from 'node:path'
import { afterEach, expect, test } from 'vitest'
import { command, until } from './command.ts'
import { LoopbackHosts } from './loopback.ts'
import { makerOf, startTicks } from './names.ts'
import type { NamespaceHosts } from './namespaces.ts'
import { pidsIn, removeNamespace, sweepStale } from './sweep.ts'
import { upNamespaces } from './up.ts'

let hosts: NamespaceHosts | null = null
afterEach(async () => {
  await hosts?.down()
  hosts = null
})

function output(child: ChildProcess): NonNullable<ChildProcess['stdout']> {
  if (child.stdout === null) throw new Error('started without a pipe')
  return child.stdout
}

const pings = async (from: number, address: string): Promise<boolean> =>
  hosts !== null &&
  hosts
    .host(from)
    .run('sh', ['-c', REACH.replace('ADDRESS', address)])
    .then(
      () => true,
      () => false,
    )
/** A connection refused says that the host was reached; nothing listens there. */
const REACH = `exec ${process.execPath} -e 'const s=require("node:net").connect(9,"ADDRESS");s.setTimeout(700,()=>process.exit(1));s.on("error",e=>process.exit(e.code==="ECONNREFUSED"?0:1))'`

const state = async (pid: number): Promise<string> => (await command('ps', ['-o', 'state=', '-p', String(pid)])).trim()

test('hosts reach one another, through a router between subnets, by both families', async () => {
  hosts = await upNamespaces([2, 1])
  if (!hosts) return
  expect(await pings(0, '10.77.0.2')).toBe(true)
  expect(await pings(0, '10.77.1.1')).toBe(true)
  await until('IPv6 goes through the router', () => pings(2, 'fd77:0::1'))
})

test('links, one-way faults and partitions cut and heal', async () => {
  hosts = await upNamespaces([3])
  if (!hosts) return
  await hosts.host(0).linkDown()
  expect(await pings(0, '10.77.0.2')).toBe(false)
  await hosts.host(0).linkUp()
  await until('the link is back', () => pings(0, '10.77.0.2'))
  await hosts.partition([[0, 1], [2]])
  expect([await pings(0, '10.77.0.2'), await pings(0, '10.77.0.3'), await pings(2, '10.77.0.1')]).toEqual([true, false, false])
  await hosts.heal()
  await until('healed', () => pings(2, '10.77.0.1'))
  await hosts.blackhole(0, 1)
  expect([await pings(0, '10.77.0.2'), await pings(0, '10.77.0.3')]).toEqual([false, true])
  await hosts.unblackhole(0, 1)
  expect(await pings(0, '10.77.0.2')).toBe(true)
})

test('a power cut ends everything in the host, also what left its group, and a pause stops it', async () => {
  hosts = await upNamespaces([2])
  if (!hosts) return
  const host = hosts.host(0)
  const child = host.spawn('sh', ['-c', 'setsid sleep 1000 & echo "$(cat /proc/sys/kernel/hostname)"; sleep 1000'], {
    stdio: ['ignore', 'pipe', 'ignore'],
  })
  const [name] = (await once(output(child), 'data')) as [Buffer]
  expect(name.toString().trim()).toBe('host0')
  await until('two sleeps', async () => (await pidsIn(host.namespace)).length >= 3)
  await host.pause()
  await until('stopped', async () => (await state(child.pid ?? 0)) === 'T')
  await host.resume()
  await until('running again', async () => (await state(child.pid ?? 0)) === 'S')
  const ended = once(child, 'exit')
  await host.kill()
  await ended
  expect(await pidsIn(host.namespace)).toEqual([])
})

test('a slow link passes its rate and no more', async () => {
  hosts = await upNamespaces([2])
  if (!hosts) return
  await hosts.host(0).slowLink(2_000)
  const sink = `let n=0,t=0;require('node:net').createServer(s=>{t=performance.now();s.on('data',b=>n+=b.length).on('end',()=>{console.log(n*8/(performance.now()-t));process.exit()})}).listen(5000,()=>console.log('up'))`
  const source = `require('node:net').connect(5000,'10.77.0.2').end(Buffer.alloc(500000))`
  const receiver = hosts.host(1).spawn(process.execPath, ['-e', sink], { stdio: ['ignore', 'pipe', 'inherit'] })
  const lines: string[] = []
  output(receiver).on('data', (bytes: Buffer) => lines.push(...bytes.toString().trim().split('\n')))
  await until('listening', () => lines.includes('up'))
  hosts.host(0).spawn(process.execPath, ['-e', source])
  await once(receiver, 'exit')
  const kilobitsPerSecond = Number(lines[1])
  expect(kilobitsPerSecond).toBeGreaterThan(1_000)
  expect(kilobitsPerSecond).toBeLessThan(2_400)
})

test('what a killed test left is swept, what is alive or of others is not touched', async () => {
  hosts = await upNamespaces([1])
  if (!hosts) return
  const foreign = `not-ours-${process.pid}`
  await command('ip', ['netns', 'add', foreign])
  try {
    const script = `import { NamespaceHosts } from ${JSON.stringify(join(import.meta.dirname, 'namespaces.ts'))};
      const h = await NamespaceHosts.up([2]); h.host(0).spawn('sleep', ['1000']); console.log(h.host(0).namespace); setInterval(() => {}, 1000)`
    const other = spawn(process.execPath, ['--input-type=module', '-e', script], { stdio: ['ignore', 'pipe', 'inherit'] })
    const [line] = (await once(other.stdout, 'data')) as [Buffer]
    const namespace = line.toString().trim()
    await until('its process runs', async () => (await pidsIn(namespace)).length > 0)
    expect(await sweepStale()).not.toContain(namespace)
    other.kill('SIGKILL')
    await once(other, 'exit')
    expect(await sweepStale()).toContain(namespace)
    const left = readdirSync('/run/netns')
    expect(left.filter((name) => makerOf(name)?.pid === other.pid)).toEqual([])
    expect(left).toContain(foreign)
    expect(left).toContain(hosts.host(0).namespace)
    await expect(removeNamespace(foreign)).rejects.toThrow('left alone')
  } finally {
    await command('ip', ['netns', 'del', foreign])
  }
})

test('without namespaces hosts are loopback addresses, say so, and can be cut off from power', async () => {
  const loopback = new LoopbackHosts(2, 'no root.')
  expect(loopback.notice).toContain('no root.')
  const host = loopback.host(1)
  expect(host.address).toMatch(/^127\.\d+\.\d+\.\d+$/)
  const child = host.spawn('sh', ['-c', 'setsid sleep 1000 & echo $!; sleep 1000'], { stdio: ['ignore', 'pipe', 'ignore'] })
  const [line] = (await once(output(child), 'data')) as [Buffer]
  const ended = once(child, 'exit')
  await loopback.down()
  await ended
  expect(startTicks(Number(line.toString()))).toBeNull()
})
