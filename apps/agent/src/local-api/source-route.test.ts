import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { ThatdamError } from '@thatdam/protocol/errors'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { handleSourceRoute, type SourcePort } from './source-route.ts'

const BYTES = Buffer.from('0123456789')
const PATH = `/local/sources/${'a'.repeat(64)}`
const asked: Parameters<SourcePort>[1][] = []
let server: Server
let base = ''

beforeEach(async () => {
  asked.length = 0
  const source: SourcePort = (_, what) => {
    asked.push(what)
    const bytes = what.hints.includes('broken') ? broken() : whole(what.from ?? 0)
    return Promise.resolve({ sizeBytes: BYTES.length, bytes })
  }
  server = createServer((request, response) => {
    handleSourceRoute(request, response, new URL(request.url ?? '', 'http://x'), source).then(
      (isAnswered) => isAnswered || response.writeHead(404).end(),
      (error: unknown) => response.writeHead(error instanceof ThatdamError ? error.status : 500).end(String(error)),
    )
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  base = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
})
afterEach(() => new Promise((resolve) => server.close(resolve)))

async function* whole(from: number): AsyncGenerator<Buffer> {
  yield BYTES.subarray(from)
}
async function* broken(): AsyncGenerator<Buffer> {
  yield BYTES.subarray(0, 4)
  throw new Error('the line broke')
}
const get = (path: string, range?: string): Promise<Response> => fetch(base + path, range === undefined ? {} : { headers: { range } })

test('all of a source, or from a place on', async () => {
  const all = await get(`${PATH}?holders=pi,mac`)
  expect([all.status, all.headers.get('content-length'), await all.text()]).toEqual([200, '10', '0123456789'])
  const rest = await get(PATH, 'bytes=7-')
  expect([rest.status, rest.headers.get('content-range'), await rest.text()]).toEqual([206, 'bytes 7-9/10', '789'])
  expect(asked).toEqual([
    { hints: ['pi', 'mac'], from: null },
    { hints: [], from: 7 },
  ])
})

test('one that breaks off is cut, so that nobody takes it for the whole', async () => {
  await expect(get(`${PATH}?holders=broken`).then((response) => response.text())).rejects.toThrow()
})

test('what is no source, no machine or no such range is refused in words', async () => {
  expect((await get('/local/sources/abc')).status).toBe(404)
  expect((await get(`${PATH}?holders=../etc`)).status).toBe(400)
  for (const range of ['bytes=-5', 'bytes=1-2', 'lines=1-', 'bytes=9999999999999999-']) expect((await get(PATH, range)).status).toBe(400)
  expect(asked).toEqual([])
})
