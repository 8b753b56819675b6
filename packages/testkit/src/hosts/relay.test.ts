import { createSocket } from 'node:dgram'
import { once } from 'node:events'
import { type AddressInfo, connect, createServer } from 'node:net'
import { expect, test } from 'vitest'
import { until } from './command.ts'
import { type Relay, startTcpRelay, startUdpRelay } from './relay.ts'

const HERE = '127.0.0.1'

async function lostOf(seed: number): Promise<{ arrived: number[]; relay: Relay['counts'] }> {
  const target = createSocket('udp4')
  const arrived: number[] = []
  target.on('message', (bytes) => arrived.push(bytes.readUInt16BE()))
  await new Promise<void>((resolve) => target.bind(0, HERE, resolve))
  const faults = { seed, lossRatio: 0.3, delayMs: [0, 5] as const }
  const relay = await startUdpRelay({ listen: { address: HERE, port: 0 }, target: { address: HERE, port: target.address().port }, faults })
  const client = createSocket('udp4')
  for (let index = 0; index < 200; index += 1) {
    const bytes = Buffer.alloc(2)
    bytes.writeUInt16BE(index)
    await new Promise<void>((resolve) => client.send(bytes, relay.port, HERE, () => resolve()))
  }
  await until('all judged and arrived', () => relay.counts.passed + relay.counts.lost === 200 && arrived.length === relay.counts.passed)
  client.close()
  target.close()
  await relay.close()
  return { arrived: arrived.toSorted((a, b) => a - b), relay: relay.counts }
}

test('the seed decides which datagrams are lost', async () => {
  const [first, again, other] = [await lostOf(7), await lostOf(7), await lostOf(8)]
  expect(again.arrived).toEqual(first.arrived)
  expect(other.arrived).not.toEqual(first.arrived)
  expect(first.relay.lost).toBeGreaterThan(30)
  expect(first.relay.lost).toBeLessThan(90)
})

test('a stream passes whole, late, and with its half-close', async () => {
  const server = createServer({ allowHalfOpen: true }, (socket) => {
    const chunks: Buffer[] = []
    socket.on('data', (bytes: Buffer) => chunks.push(bytes)).on('end', () => socket.end(Buffer.concat(chunks).toReversed()))
  })
  await new Promise<void>((resolve) => server.listen(0, HERE, resolve))
  const target = { address: HERE, port: (server.address() as AddressInfo).port }
  const relay = await startTcpRelay({ listen: { address: HERE, port: 0 }, target, faults: { seed: 1, lossRatio: 0, delayMs: [20, 20] } })
  const startMs = performance.now()
  const client = connect(relay.port, HERE)
  const sent = Buffer.from(Array.from({ length: 300_000 }, (_, index) => index % 251))
  client.end(sent)
  const chunks: Buffer[] = []
  client.on('data', (bytes: Buffer) => chunks.push(bytes))
  await once(client, 'end')
  expect(Buffer.concat(chunks).equals(sent.toReversed())).toBe(true)
  expect(performance.now() - startMs).toBeGreaterThanOrEqual(39)
  relay.setFaults({ lossRatio: 1, delayMs: [0, 0] })
  const refused = connect(relay.port, HERE)
  await expect(once(refused, 'close')).rejects.toThrow('ECONNRESET')
  await relay.close()
  server.close()
})
