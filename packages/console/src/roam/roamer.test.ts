import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import type { Discovery } from '@thatdam/protocol/cluster'
import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import type { KnownRing } from './next-leader.tsx'
import { roam, type Roaming, type RoamerPorts } from './roamer.tsx'

interface Machine {
  readonly nodeId: string
  readonly server: Server
  readonly url: string
  leader: string | null
  /** Takes connections and says nothing: a machine whose power went. */
  mute: boolean
  asked: number
}

const machines: Machine[] = []
async function machine(nodeId: string, leader: string | null, fingerprint = 'f1'): Promise<Machine> {
  const server = createServer((_request, response) => {
    made.asked++
    if (made.mute) return
    const answer: Discovery = {
      version: 1,
      node_id: nodeId,
      cluster_id: null,
      fingerprint,
      leader_url: made.leader === nodeId ? null : (machines.find((one) => one.nodeId === made.leader)?.url ?? null),
      leader_node_id: made.leader,
      api_version: 1,
    }
    response.end(JSON.stringify(answer))
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const made: Machine = { nodeId, server, url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, leader, mute: false, asked: 0 }
  machines.push(made)
  return made
}

let desk: Machine
let server: Machine
let mac: Machine
let stop: AbortController
let shown: Roaming[]
let went: string[]
let connected: boolean

beforeEach(async () => {
  desk = await machine('desk', 'desk')
  server = await machine('server', 'desk')
  mac = await machine('mac', 'desk')
  stop = new AbortController()
  shown = []
  went = []
  connected = true
})
afterEach(async () => {
  stop.abort()
  for (const { server: one } of machines.splice(0)) {
    one.closeAllConnections()
    await new Promise((resolve) => one.close(resolve))
  }
})

function start(more: Partial<RoamerPorts> = {}): Promise<void> {
  const ring: KnownRing = {
    fingerprint: 'f1',
    here: { nodeId: 'desk', name: 'pi5-desktop' },
    others: [
      { nodeId: 'server', name: 'pi5-server', url: server.url },
      { nodeId: 'mac', name: 'macbook', url: mac.url },
    ],
  }
  return roam(
    {
      ring: () => ring,
      connected: () => connected,
      home: desk.url,
      stays: false,
      show: (roaming) => shown.push(roaming),
      go: (url) => went.push(url),
      pace: { askMs: 100, answerMsMax: 120, silentMs: 200 },
      nowMs: () => performance.now(),
      ...more,
    },
    stop.signal,
  )
}
const until = (condition: () => void): Promise<void> => vi.waitFor(condition, { timeout: 10_000, interval: 20 })

test('a machine that falls silent is left for the one that leads then, and not before one does', async () => {
  const roams = start()
  await until(() => expect(desk.asked).toBeGreaterThan(1))
  expect([server.asked, went]).toEqual([0, []])
  desk.mute = true
  await until(() => expect(server.asked).toBeGreaterThan(1))
  expect([shown.at(-1), went]).toEqual([{ from: 'pi5-desktop', isSilent: true, goingTo: null }, []])
  server.leader = 'server'
  mac.leader = 'server'
  await until(() => expect(went).toEqual([server.url]))
  expect(shown.at(-1)).toEqual({ from: 'pi5-desktop', isSilent: true, goingTo: 'pi5-server' })
  await roams
})

test('a machine that answers again in time is not left', async () => {
  void start()
  desk.mute = true
  await until(() => expect(shown.at(-1)).toEqual({ from: 'pi5-desktop', isSilent: true, goingTo: null }))
  desk.mute = false
  await until(() => expect(shown.at(-1)).toBeNull())
  server.leader = 'server'
  const asked = desk.asked
  await until(() => expect(desk.asked).toBeGreaterThan(asked + 1))
  expect(went).toEqual([])
})

test('a machine that hands over lives on: it is left only when its console is gone too', async () => {
  for (const one of [desk, server, mac]) one.leader = 'server'
  void start()
  await until(() => expect(desk.asked).toBeGreaterThan(1))
  expect(went).toEqual([])
  connected = false
  await until(() => expect(went).toEqual([server.url]))
  expect(shown.at(-1)).toEqual({ from: 'pi5-desktop', isSilent: false, goingTo: 'pi5-server' })
  expect(server.asked).toBe(0)
})

test('opened by the ring’s name, the page stays and says so', async () => {
  server.leader = 'server'
  void start({ stays: true })
  desk.mute = true
  await until(() => expect(shown.at(-1)).toEqual({ from: 'pi5-desktop', isSilent: true, goingTo: null }))
  expect([server.asked, went]).toEqual([0, []])
})
