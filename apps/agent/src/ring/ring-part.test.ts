import { afterEach, expect, test } from 'vitest'
import { recordHash } from '@thatdam/control/roster'
import { remove } from '@thatdam/control/roster-edit'
import { Addresses } from '../link/addresses.ts'
import { NodeClient } from '../link/client.ts'
import type { NodeRoute } from '../link/server.ts'
import { until } from '../testing/until.ts'
import type { RingPart } from './ring-part.ts'
import { admission, foundRing, identities, openPart } from './testing/ring.ts'

const opened: RingPart[] = []
afterEach(async () => {
  await Promise.all(opened.splice(0).map((part) => part.stop()))
})

const PORT = 27_700
const SEEDS = [1, 2, 3].map((n) => `127.77.0.${n}:${PORT}`).join(',')
const names = ['pi5-desktop', 'pi5-server', 'win11-editor'] as const

async function openAll(members: ReturnType<typeof identities>, records = foundRing(members)): Promise<RingPart[]> {
  const parts = await Promise.all(
    members.map((member, index) =>
      openPart(member, records, { address: `127.77.0.${index + 1}`, port: PORT, seeds: SEEDS, ranking: names }),
    ),
  )
  opened.push(...parts)
  return parts
}

const leaders = (parts: readonly RingPart[]) => parts.map((part) => part.leader()?.nodeId ?? null)
const ordering = (parts: readonly RingPart[]) => parts.filter((part) => part.leadership.order() !== null)

test(
  'three machines that were let into one ring find each other, take the best for their leader, and go on without it',
  { timeout: 60_000 },
  async () => {
    const parts = await openAll(identities(names))
    await until('all are awake to each other', () => parts.every((part) => part.awake.size === 3), 15_000)
    await until('all follow the first', () => leaders(parts).every((leader) => leader === 'pi5-desktop'), 15_000)
    expect(ordering(parts)).toHaveLength(1)
    const [first, ...rest] = parts
    await first?.stop()
    opened.splice(opened.indexOf(first as RingPart), 1)
    await until('the second leads', () => leaders(rest).every((leader) => leader === 'pi5-server'), 10_000)
    expect(ordering(rest)).toHaveLength(1)
  },
)

test('who is let in by one is known to all within a moment, and who is put out is out', { timeout: 60_000 }, async () => {
  const members = identities(names)
  const [founder, second, third] = members
  if (!founder || !second || !third) throw new Error('three')
  const all = foundRing(members)
  const parts = await openAll([founder, second], foundRing([founder, second]))
  await until('two are awake to each other', () => parts.every((part) => part.awake.size === 2), 15_000)
  const [letting, other] = parts
  await letting?.store.merge([admission(founder, third, all.genesis.body.clusterId, recordHash(all.genesis.body))])
  await until('the other one knows it too', () => other?.store.member(third.nodeId) !== null, 5_000)
  const removal = {
    kind: 'removal',
    version: 1,
    clusterId: all.genesis.body.clusterId,
    nodeId: second.nodeId,
    seen: [] as string[],
    previous: recordHash(all.genesis.body),
  } as const
  await letting?.store.merge([{ body: removal, signer: founder.key.publicKey, signature: founder.key.sign('thatdam-roster-v1', removal) }])
  await until('it is heard no more', () => letting?.awake.size === 1, 15_000)
  await expect(
    other?.client.call({ publicKey: founder.key.publicKey, method: 'POST', path: '/v1/messages', body: {}, timeoutMs: 2_000 }),
  ).rejects.toMatchObject({ code: 'UNAUTHENTICATED' })
})

test('who was off when it was put out learns of it when it is back', { timeout: 60_000 }, async () => {
  const members = identities(names)
  const [founder, second, third] = members
  if (!founder || !second || !third) throw new Error('three')
  const records = foundRing(members)
  const parts = await openAll([founder, second], records)
  await until('two are awake to each other', () => parts.every((part) => part.awake.size === 2), 15_000)
  const [removing] = parts
  await removing?.store.edit(founder.key, (desk) => remove(desk, third.nodeId))
  const gone = await openPart(third, records, { address: '127.77.0.3', port: PORT, seeds: SEEDS, ranking: names })
  opened.push(gone)
  await until('it knows', () => gone.store.member(third.nodeId) === null, 15_000)
})

test('who is put out loses the answer that it still hears', { timeout: 60_000 }, async () => {
  const members = identities(names.slice(0, 2))
  const [founder, second] = members
  if (!founder || !second) throw new Error('two')
  const endless: NodeRoute = {
    method: 'GET',
    path: '/v1/endless',
    run: ({ response }) => {
      response.write('begun')
      return Promise.resolve(null)
    },
  }
  const at = { address: '127.77.0.1', port: PORT, seeds: SEEDS, ranking: names, routes: [endless] }
  const part = await openPart(founder, foundRing(members), at)
  opened.push(part)
  const client = new NodeClient(second.key, second.nodeId, new Addresses({ sighted: () => [] }))
  const ask = { publicKey: founder.key.publicKey, method: 'GET', path: '/v1/endless', timeoutMs: 60_000 } as const
  const stream = await client.open(ask, [{ address: at.address, port: part.nodePort }])
  let isOver = false
  stream.resume().once('error', () => (isOver = true))
  await part.store.edit(founder.key, (desk) => remove(desk, second.nodeId))
  await until('it is cut', () => isOver)
  client.close()
})
