import { createServer, type Server, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { Parts, playMjpeg } from './mjpeg.tsx'

const part = (picture: string): string => `--b\r\ncontent-type: image/jpeg\r\ncontent-length: ${picture.length}\r\n\r\n${picture}\r\n`
const bytes = (text: string): Uint8Array => new TextEncoder().encode(text)
const text = (jpeg: Uint8Array): string => new TextDecoder().decode(jpeg)

test('pictures come out whole however the stream was cut up, also one with the look of a head', () => {
  const pictures = ['first', 'a\r\n\r\nb content-length: 9', '', 'last']
  const all = bytes(pictures.map(part).join(''))
  for (const size of [1, 2, 7, 50, all.length]) {
    const parts = new Parts()
    const got: string[] = []
    for (let at = 0; at < all.length; at += size) got.push(...parts.push(all.subarray(at, at + size)).map(text))
    expect(got).toEqual(pictures)
  }
})

test('what is no stream of pictures is refused before it fills the memory', () => {
  expect(() => new Parts().push(bytes(`--b\r\ncontent-length: ${2 ** 40}\r\n\r\n`))).toThrow('no stream of pictures')
  expect(() => new Parts().push(bytes('--b\r\n\r\n'))).toThrow('no stream of pictures')
  expect(() => new Parts().push(bytes('x'.repeat(20_000)))).toThrow('no stream of pictures')
})

const until = (condition: () => void): Promise<void> => vi.waitFor(condition, { timeout: 5_000, interval: 10 })

let server: Server
let open: ServerResponse[]
let asked: number
let refuses: boolean
beforeEach(async () => {
  open = []
  asked = 0
  refuses = false
  server = createServer((_request, response) => {
    asked++
    if (refuses) {
      response.writeHead(429).end()
      return
    }
    response.writeHead(200, { 'content-type': 'multipart/x-mixed-replace; boundary=b' })
    response.flushHeaders()
    open.push(response)
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
})
afterEach(() => {
  server.closeAllConnections()
  server.close()
})

test('a stream that ends, breaks, is refused or falls silent is asked for again, and says so meanwhile', async () => {
  const said: string[] = []
  const stop = playMjpeg({
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/mjpeg`,
    show: (jpeg) => said.push(text(jpeg)),
    onPlaying: () => said.push('plays'),
    onStalled: () => said.push('stalls'),
    pace: { silentMs: 300, againMs: 20 },
  })
  const serve = async (picture: string): Promise<ServerResponse> => {
    await until(() => expect(open).toHaveLength(1))
    const [response] = open.splice(0) as [ServerResponse]
    response.write(part(picture))
    await until(() => expect(said.slice(-2)).toEqual([picture, 'plays']))
    return response
  }
  ;(await serve('one')).end()
  await until(() => expect(said.at(-1)).toBe('stalls'))
  ;(await serve('two')).destroy()
  await until(() => expect(said.at(-1)).toBe('stalls'))
  refuses = true
  const before = asked
  for (const response of open.splice(0)) response.destroy()
  await until(() => expect(asked).toBeGreaterThan(before + 1))
  refuses = false
  await serve('three')
  // Nothing more comes, and the connection stays.
  await until(() => expect(said.at(-1)).toBe('stalls'))
  const last = await serve('four')
  const [count, askedBefore] = [said.length, asked]
  const isLeft = new Promise((resolve) => last.once('close', resolve))
  stop()
  await isLeft
  expect([said.length, asked]).toEqual([count, askedBefore])
})
