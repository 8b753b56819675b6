import { generateKey } from '@thatdam/control/keys'
import type { RosterRecord } from '@thatdam/protocol/roster'
import { openSlowPeer } from '@thatdam/testkit/abuse/slow-peer'
import { afterEach, expect, test } from 'vitest'
import { Addresses } from '../link/addresses.ts'
import { makeCertificate } from '../link/certificate.ts'
import { NodeClient } from '../link/client.ts'
import type { NodeRoute } from '../link/server.ts'
import { foundRing, identities, quietLog } from '../ring/testing/ring.ts'
import type { Identity } from '../state/identity.ts'
import { until } from '../testing/until.ts'
import { AdoptAsker } from './adopt-asker.ts'
import type { NearMachine } from './adopt-targets.ts'
import { openDoor, openServer, type OpenedDoor } from './testing/adopting.ts'

/* A machine that nobody owns, among rings that mean well and machines that do not, over real TLS on loopback. */

const endings: (() => unknown)[] = []
afterEach(async () => {
  for (const end of endings.splice(0).toReversed()) await end()
})

const ring = identities(['pi5-server', 'pi5-desktop', 'macbook']) as [Identity, Identity, Identity]
const records = foundRing(ring)

async function doorOf(identity: Identity, of = records): Promise<OpenedDoor> {
  const opened = await openDoor(identity, of)
  endings.push(() => opened.close())
  return opened
}

const nearAt = (
  nodeId: string,
  { port, publicKey }: { port: number; publicKey: string },
  more: Partial<NearMachine> = {},
): NearMachine => ({
  nodeId,
  publicKey,
  fingerprint: 'f'.repeat(64),
  claimed: true,
  term: null,
  addresses: [{ address: '127.0.0.1', port, scope: 'loopback', interfaceName: null }],
  ...more,
})

function ask(near: () => readonly NearMachine[]) {
  const [self] = identities(['pizero-cam1']) as [Identity]
  const client = new NodeClient(self.key, self.nodeId, new Addresses({ sighted: () => [] }))
  const state = { isClaimed: false, adopted: null as readonly RosterRecord[] | null }
  const asker = new AdoptAsker({
    near,
    fingerprint: () => '0'.repeat(64),
    client: () => client,
    adopt: (adopted) => {
      state.adopted = adopted
      state.isClaimed = true
      return Promise.resolve()
    },
    self: { node: self.key, nodeId: self.nodeId, bootCounter: 1, isAdopted: false },
    hostname: self.nodeId,
    log: quietLog,
    claimed: () => state.isClaimed,
    changed: () => {},
  })
  const stop = new AbortController()
  const running = asker.run(stop.signal)
  endings.push(async () => {
    stop.abort()
    await running
    client.close()
  })
  return { asker, state, publicKey: self.key.publicKey }
}

/** As two people do it. */
async function comesIn({ asker, state, publicKey }: ReturnType<typeof ask>, { door, members }: OpenedDoor): Promise<void> {
  const opened = await until('it waits there', () => door.letIn(publicKey).catch(() => null), 30_000)
  const own = await until('it shows digits', () => asker.list().find((one) => one.state === 'compare'), 15_000)
  const theirs = door.list().find(({ id }) => id === opened.id)
  expect(own.code).toBe(theirs?.code)
  asker.say('confirm', own.id)
  await door.say('confirm', opened.id)
  await until('it goes over', () => state.adopted, 15_000)
  expect(members()).toContain('pizero-cam1')
}

test(
  'the machine that leads is asked, and when it is away or may let nobody in, another one of its ring',
  { timeout: 60_000 },
  async () => {
    const [founder, member] = [await doorOf(ring[0]), await doorOf(ring[1])]
    const { fingerprint } = founder
    const term = { number: 7, nodeId: 'macbook' }
    const away = { port: 9, publicKey: ring[2].key.publicKey }
    const near = [
      nearAt('macbook', away, { fingerprint, term }),
      nearAt('pi5-desktop', member, { fingerprint, term }),
      nearAt('pi5-server', founder, { fingerprint, term }),
    ]
    await comesIn(
      ask(() => near),
      founder,
    )
    expect(member.door.list()).toEqual([])
  },
)

test(
  'who announces itself as the leader of a ring that is not its own keeps nobody away, nor do rings that answer never or nonsense',
  { timeout: 90_000 },
  async () => {
    const founder = await doorOf(ring[0])
    const { fingerprint } = founder
    const thief = generateKey()
    // It has copied all that is open of the real one, but for the key.
    const routes: NodeRoute[] = ['/v1/join/hello', '/v1/adopt/commit', '/v1/adopt/reveal', '/v1/adopt/status'].map((path) => ({
      method: 'POST',
      path,
      open: true,
      run: async ({ request }) => {
        const chunks: Buffer[] = []
        for await (const chunk of request as AsyncIterable<Buffer>) chunks.push(chunk)
        const client = new NodeClient(thief, 'thief', new Addresses({ sighted: () => [] }))
        const asked = {
          publicKey: founder.publicKey,
          method: 'POST',
          path,
          body: JSON.parse(Buffer.concat(chunks).toString()) as unknown,
        } as const
        const at = [{ address: '127.0.0.1', port: founder.port }]
        const { status, body } = await client.call({ ...asked, timeoutMs: 2_000 }, at).finally(() => client.close())
        return { status, body: JSON.stringify(body) }
      },
    }))
    const imposter = await openServer({ key: thief, nodeId: 'aaa-thief' }, routes)
    const babble = await openServer({ key: generateKey(), nodeId: 'babble' }, [
      { method: 'POST', path: '/v1/', open: true, run: () => Promise.resolve({ status: 200, body: '{"version":1,"id":7}' }) },
    ])
    const slow = await Promise.all(
      ['1', '2', '3', '4', '5'].map(async (digit) => {
        const key = generateKey()
        const peer = await openSlowPeer('chunks', { ...makeCertificate(key, 'slow'), requestCert: true, rejectUnauthorized: false })
        endings.push(() => peer.close())
        return nearAt(`slow-${digit}`, { port: peer.port, publicKey: key.publicKey }, { fingerprint: digit.repeat(64) })
      }),
    )
    endings.push(() => Promise.all([imposter.close(), babble.close()]))
    const near = [
      ...slow,
      nearAt('babble', babble),
      nearAt('aaa-thief', imposter, { fingerprint, term: { number: 1_000_000, nodeId: 'aaa-thief' } }),
      nearAt('pi5-server', founder, { fingerprint, term: { number: 3, nodeId: 'pi5-server' } }),
    ]
    await comesIn(
      ask(() => near),
      founder,
    )
  },
)
