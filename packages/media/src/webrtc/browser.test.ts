import { existsSync } from 'node:fs'
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { setTimeout as delay } from 'node:timers/promises'
import { chromium, type Browser, type Page } from 'playwright'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { LiveCamera } from '../camera.ts'
import { WhepHub } from './hub.ts'

/*
 * A real browser watches the test camera through the hub, and reads the burnt-in clock from what it sees.
 */

const PAGE = `<!doctype html><video id=v muted autoplay playsinline></video><script>
let frames = 0, lat = [], pc, place
async function watch() {
  pc = new RTCPeerConnection({ iceServers: [] })
  pc.addTransceiver('video', { direction: 'recvonly' })
  pc.ontrack = (e) => { v.srcObject = new MediaStream([e.track]) }
  await pc.setLocalDescription(await pc.createOffer())
  if (pc.iceGatheringState !== 'complete') await new Promise((r) => { pc.onicegatheringstatechange = () => pc.iceGatheringState === 'complete' && r() })
  const started = performance.now()
  const answer = await fetch('/whep', { method: 'POST', body: pc.localDescription.sdp })
  if (answer.status !== 201) return { status: answer.status, text: await answer.text() }
  place = answer.headers.get('location')
  await pc.setRemoteDescription({ type: 'answer', sdp: await answer.text() })
  const canvas = document.createElement('canvas'), ctx = canvas.getContext('2d', { willReadFrequently: true })
  let first
  const seen = new Promise((resolve) => {
    const look = () => {
      if (++frames === 1) resolve(performance.now() - started)
      const w = v.videoWidth, cell = Math.floor(w / 34)
      canvas.width = w; canvas.height = 4
      ctx.drawImage(v, 0, 22, w, 4, 0, 0, w, 4)
      const now = Date.now() % 2 ** 32, d = ctx.getImageData(0, 2, w, 1).data
      const white = (i) => d[(i * cell + (cell >> 1)) * 4] > 128
      let value = 0
      for (let b = 0; b < 32; b++) if (white(b + 1)) value += 2 ** b
      if (white(0) && !white(33)) lat.push(now - value)
      v.requestVideoFrameCallback(look)
    }
    v.requestVideoFrameCallback(look)
  })
  await v.play()
  return { status: 201, firstFrameMs: await seen, width: v.videoWidth, height: v.videoHeight }
}
</script>`

let server: Server
let browser: Browser
let camera: LiveCamera
const hub = new WhepHub()

async function until(what: string, look: () => boolean | Promise<boolean>, limitMs = 20_000): Promise<void> {
  const end = performance.now() + limitMs
  while (!(await look())) {
    if (performance.now() > end) throw new Error(`waited ${limitMs} ms for ${what}`)
    await delay(50)
  }
}

async function answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
  if (request.method === 'GET') response.writeHead(200, { 'content-type': 'text/html' }).end(PAGE)
  if (request.method === 'DELETE') response.writeHead(hub.leave(request.url?.slice(6) ?? '') ? 200 : 404).end()
  if (request.method !== 'POST') return
  let offer = ''
  for await (const part of request.setEncoding('utf8')) offer += part
  const { viewerId, sdp } = await hub.join(camera.feed, offer, 'session-1')
  response.writeHead(201, { location: `/whep/${viewerId}` }).end(sdp)
}

beforeAll(async () => {
  camera = new LiveCamera({
    camera: { cameraId: 'test', kind: 'test', name: 'Test', locator: 'test', modes: [] },
    ffmpegPath: 'ffmpeg',
    encoders: ['libx264'],
    onChange: () => {},
  })
  camera.start()
  server = createServer((request, response) => {
    answer(request, response).catch((error: unknown) => response.writeHead(500).end(String(error)))
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const own = chromium.executablePath()
  browser = await chromium.launch({
    ...(existsSync(own) ? {} : { executablePath: '/usr/bin/chromium' }),
    args: ['--no-sandbox', '--autoplay-policy=no-user-gesture-required'],
  })
  await until('the test camera', () => camera.state === 'live')
})

afterAll(async () => {
  await browser?.close()
  hub.close()
  await camera?.stop()
  server?.closeAllConnections()
  server?.close()
})

interface Watched {
  status: number
  firstFrameMs: number
  width: number
  height: number
}

async function viewer(): Promise<{ page: Page; seen: Watched }> {
  const page = await browser.newPage()
  await page.goto(`http://127.0.0.1:${(server.address() as AddressInfo).port}/`)
  const seen = await page.evaluate<Watched>('watch()')
  return { page, seen }
}

const framesOf = (page: Page): Promise<number> => page.evaluate<number>('frames')

test('two viewers see the camera, a restart of its ffmpeg does not end them, DELETE does', { timeout: 150_000 }, async () => {
  const first = await viewer()
  expect(first.seen).toMatchObject({ status: 201, width: 1280, height: 720 })
  const second = await viewer()
  expect(second.seen.status).toBe(201)
  expect(hub.viewersOf(camera.feed)).toBe(2)
  await until('100 frames at both', async () => (await framesOf(first.page)) > 100 && (await framesOf(second.page)) > 100)

  const latency = (await second.page.evaluate<number[]>('lat')).toSorted((a, b) => a - b)
  const at = (share: number): number => latency[Math.floor(latency.length * share)] ?? Number.NaN
  console.log(
    `camera to screen: p50 ${at(0.5)} ms, p95 ${at(0.95)} ms of ${latency.length} frames; first frame ${Math.round(first.seen.firstFrameMs)} and ${Math.round(second.seen.firstFrameMs)} ms`,
  )
  expect(latency.length).toBeGreaterThan(50)
  expect(at(0.5)).toBeGreaterThan(0)

  const { pid } = camera
  if (pid === null) throw new Error('no ffmpeg runs')
  process.kill(pid, 'SIGKILL')
  await until('another ffmpeg', () => camera.pid !== null && camera.pid !== pid)
  await until('pictures of the new one', () => camera.state === 'live')
  const before = [await framesOf(first.page), await framesOf(second.page)]
  await until('60 more frames at both', async () => {
    const now = [await framesOf(first.page), await framesOf(second.page)]
    return now.every((count, index) => count > (before[index] ?? 0) + 60)
  })

  await first.page.evaluate('fetch(place, { method: "DELETE" })')
  await until('one viewer fewer', () => hub.size === 1)
  expect(await first.page.evaluate<number>('fetch(place, { method: "DELETE" }).then((answer) => answer.status)')).toBe(404)
  const left = await framesOf(second.page)
  await until('the other to go on', async () => (await framesOf(second.page)) > left + 30)
  expect(hub.endSession('session-2')).toBe(0)
  expect(hub.endSession('session-1')).toBe(1)
  expect(hub.size).toBe(0)
  const third = await viewer()
  await third.page.close()
  await until('the closed page to be noticed', () => hub.size === 0, 40_000)
})
