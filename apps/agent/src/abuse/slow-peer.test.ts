import { makeCertificate } from '../link/certificate.ts'
import { Addresses } from '../link/addresses.ts'
import { NodeClient } from '../link/client.ts'
import { callJson } from '../http-client.ts'
import { generateKey } from '@thatdam/control/keys'
import { openSlowPeer, SLOW_ANSWERS, type SlowPeer } from '@thatdam/testkit/abuse/slow-peer'
import { afterEach, expect, test } from 'vitest'
import { until } from '../testing/until.ts'

let peer: SlowPeer | null = null
afterEach(async () => {
  await peer?.close()
  peer = null
})

test.each(SLOW_ANSWERS)('a cloud whose answer never ends (%s) is given up in time, and let go of', async (how) => {
  peer = await openSlowPeer(how)
  const url = `http://127.0.0.1:${peer.port}/x`
  const startedMs = performance.now()
  const heapBytes = process.memoryUsage().rss
  await expect(callJson({ method: 'POST', url, body: {}, timeoutMs: 500 })).rejects.toMatchObject({ code: 'UNAVAILABLE' })
  expect(performance.now() - startedMs).toBeLessThan(3_000)
  expect(process.memoryUsage().rss - heapBytes).toBeLessThan(60e6)
  await until('its connection is closed', () => peer?.open === 0)
})

test.each(SLOW_ANSWERS)('so is another node (%s), though its key is the right one', async (how) => {
  const theirs = generateKey()
  peer = await openSlowPeer(how, { ...makeCertificate(theirs, 'slow-000000'), requestCert: true, rejectUnauthorized: false })
  const addresses = new Addresses({ sighted: () => [{ address: '127.0.0.1', port: peer?.port ?? 0 }] })
  const client = new NodeClient(generateKey(), 'asks-000000', addresses)
  try {
    const startedMs = performance.now()
    const asked = client.call({ publicKey: theirs.publicKey, method: 'GET', path: '/v1/roster', timeoutMs: 500 })
    await expect(asked).rejects.toMatchObject({ code: 'UNAVAILABLE' })
    expect(performance.now() - startedMs).toBeLessThan(3_000)
    await until('its connection is closed', () => peer?.open === 0)
  } finally {
    client.close()
  }
})
