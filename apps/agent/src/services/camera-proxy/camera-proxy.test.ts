import { execFile } from 'node:child_process'
import { mkdtemp, rename, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { FragmentIndex, type CameraStatus } from '@thatdam/protocol/capture'
import type { CameraFacts } from '@thatdam/protocol/facts'
import { CameraProxyStatus, LOCAL_TOKEN_HEADER } from '@thatdam/protocol/local'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { AS_PERSON, HostedChild, TEST_CAMERA, TOKEN, until } from '../capture-daemon/child-host.testing.ts'

const run = promisify(execFile)
const AS_SIBLING = { [LOCAL_TOKEN_HEADER]: TOKEN, authorization: `Bearer ${TOKEN}` }
const AS_STRANGER = { [LOCAL_TOKEN_HEADER]: TOKEN }

let root: string
let film: CameraFacts
let proxy: HostedChild

beforeAll(async () => {
  root = await mkdtemp(join(tmpdir(), 'thatdam-proxy-'))
  const locator = join(root, 'a film; with $(odd) name.mp4')
  const source = ['-f', 'lavfi', '-i', 'testsrc2=s=640x360:r=30', '-t', '4', '-c:v', 'libx264', '-preset', 'ultrafast', '-g', '30']
  await run('ffmpeg', ['-v', 'error', ...source, '-bf', '0', '-pix_fmt', 'yuv420p', locator])
  film = { cameraId: 'file:film', kind: 'file', name: 'Film', locator, modes: [{ codec: 'h264', width: 640, height: 360, fps: 30 }] }
  const csi: CameraFacts = { cameraId: 'csi:0', kind: 'csi', name: 'Ribbon', locator: 'imx708', modes: [] }
  proxy = await HostedChild.start({ service: 'camera-proxy', stateDir: root, cameras: [TEST_CAMERA, film, csi] })
  await until('test camera and film', async () => (await stateOf(TEST_CAMERA)) === 'live' && (await stateOf(film)) === 'live')
})

afterAll(async () => {
  await proxy?.stop()
  await rm(root, { recursive: true, force: true })
})

const get = (path: string, headers: Record<string, string> = AS_PERSON): Promise<Response> => fetch(`${proxy.url}${path}`, { headers })

async function cameraOf(camera: CameraFacts): Promise<CameraStatus | undefined> {
  const { cameras } = CameraProxyStatus.parse(await (await get('/live/cameras')).json())
  return cameras.find((one) => one.camera.cameraId === camera.cameraId)
}
const stateOf = async (camera: CameraFacts): Promise<string | undefined> => (await cameraOf(camera))?.state

test('says of each camera what it gives, or why it does not', async () => {
  await until('measured rates', async () => ((await cameraOf(TEST_CAMERA))?.bitRate ?? 0) > 0)
  expect(await cameraOf(TEST_CAMERA)).toMatchObject({ encoder: 'libx264', width: 1280, height: 720, fps: 30, viewers: 0, reason: '' })
  expect(await cameraOf(film)).toMatchObject({ encoder: null, width: 640, height: 360 })
  const ribbon = CameraProxyStatus.parse(proxy.status).cameras.find((one) => one.camera.kind === 'csi')
  expect(ribbon).toMatchObject({ state: 'failed', reason: 'This version cannot open cameras of the kind "csi" yet.' })
})

test('pictures need a session; init segments and fragments also go to siblings, never to strangers', async () => {
  const id = encodeURIComponent(TEST_CAMERA.cameraId)
  for (const path of ['', '/mjpeg', '/snapshot.jpg', '/init', '/fragments'])
    expect((await get(`/live/cameras/${id}${path}`, AS_STRANGER)).status).toBe(401)
  expect((await fetch(`${proxy.url}/live/cameras`)).status).toBe(401)
  expect((await get(`/live/cameras/${id}/snapshot.jpg`, AS_SIBLING)).status).toBe(401)
  expect((await get(`/live/cameras/${id}/init`, AS_SIBLING)).status).toBe(200)
  expect((await get('/live/cameras/nobody/init', AS_SIBLING)).status).toBe(404)
  expect((await get('/live/cameras/..%2f..%2fetc/init')).status).toBe(404)
  expect((await get('/live/cameras/%ff/init')).status).toBe(400)
})

test('fragments by number: held for the next one, 410 for those that left, clean when put together', async () => {
  const path = `/live/cameras/${TEST_CAMERA.cameraId}`
  const init = await get(`${path}/init`, AS_SIBLING)
  const etag = init.headers.get('etag') ?? ''
  expect((await get(`${path}/init`, { ...AS_SIBLING, 'if-none-match': etag })).status).toBe(304)
  const index = FragmentIndex.parse(await (await get(`${path}/fragments`, AS_SIBLING)).json())
  expect(index.fragments[0]?.key).toBe(true)
  expect(etag).toBe(`"${index.generation}"`)
  const parts = [Buffer.from(await init.arrayBuffer())]
  for (let number = index.first; number < index.next + 2; number++) {
    const fragment = await get(`${path}/fragments/${number}`, AS_SIBLING)
    expect(fragment.status).toBe(200)
    expect(Number(fragment.headers.get('x-thatdam-duration-ms'))).toBeLessThanOrEqual(1000)
    parts.push(Buffer.from(await fragment.arrayBuffer()))
  }
  expect((await get(`${path}/fragments/3`, AS_SIBLING)).status).toBe(410)
  expect((await get(`${path}/fragments/${index.next + 1000}`, AS_SIBLING)).status).toBe(410)
  expect((await get(`${path}/init?generation=other`, AS_SIBLING)).status).toBe(410)
  const decode = run('ffmpeg', ['-v', 'warning', '-i', 'pipe:0', '-f', 'null', '-'])
  decode.child.stdin?.end(Buffer.concat(parts))
  expect((await decode).stderr).toBe('')
})

test('MJPEG pictures come while somebody looks, and the decoder ends with the last one', async () => {
  const leave = new AbortController()
  const answer = await fetch(`${proxy.url}/live/cameras/${TEST_CAMERA.cameraId}/mjpeg`, { headers: AS_PERSON, signal: leave.signal })
  expect(answer.headers.get('content-type')).toBe('multipart/x-mixed-replace; boundary=thatdam-picture')
  let text = ''
  const reader = answer.body?.getReader()
  while (text.split('--thatdam-picture').length < 8) text += Buffer.from((await reader?.read())?.value ?? []).toString('latin1')
  expect(text).toContain('content-type: image/jpeg\r\n')
  expect(text).toContain('\xff\xd8')
  expect((await children()).some((line) => line.includes('image2pipe'))).toBe(true)
  leave.abort()
  await until('the decoder to end', async () => !(await children()).some((line) => line.includes('image2pipe')))
  await until('nobody to look', async () => (await cameraOf(TEST_CAMERA))?.viewers === 0)
})

test('a snapshot is a JPEG', async () => {
  const answer = await get(`/live/cameras/${film.cameraId}/snapshot.jpg`)
  expect(answer.status).toBe(200)
  const jpeg = Buffer.from(await answer.arrayBuffer())
  expect([jpeg[0], jpeg[1], jpeg.at(-2), jpeg.at(-1)]).toEqual([0xff, 0xd8, 0xff, 0xd9])
})

test('offers that are none are refused in one sentence', async () => {
  const post = (body: string, type = 'application/sdp'): Promise<Response> =>
    fetch(`${proxy.url}/live/cameras/${TEST_CAMERA.cameraId}/whep`, {
      method: 'POST',
      headers: { ...AS_PERSON, 'content-type': type },
      body,
    })
  expect((await post('v=0', 'text/plain')).status).toBe(400)
  expect((await post('hello')).status).toBe(400)
  expect((await post('v=0\r\nm=audio 9 UDP/TLS/RTP/SAVPF 111\r\na=mid:0\r\n')).status).toBe(400)
  expect((await post(`v=0\r\n${'a=x\r\n'.repeat(20_000)}`)).status).toBe(413)
  const gone = await fetch(`${proxy.url}/live/cameras/csi:0/whep`, {
    method: 'POST',
    headers: { ...AS_PERSON, 'content-type': 'application/sdp' },
    body: 'v=0\r\n',
  })
  expect(gone.status).toBe(503)
  expect(await gone.text()).toContain('cannot open cameras of the kind')
})

test('a camera that is pulled out is gone without a restart loop, and comes back by itself', { timeout: 40_000 }, async () => {
  await rename(film.locator, `${film.locator}.away`)
  await until('gone', async () => (await stateOf(film)) === 'gone')
  expect((await cameraOf(film))?.reason).toBe('The file "Film" is not there. Put it back; it goes on by itself.')
  expect((await children()).some((line) => line.includes('a film;'))).toBe(false)
  await rename(`${film.locator}.away`, film.locator)
  await until('live again', async () => (await stateOf(film)) === 'live')
})

test('without ffmpeg each camera says so', async () => {
  const bare = await HostedChild.start({ service: 'camera-proxy', stateDir: root, cameras: [TEST_CAMERA], ffmpegPath: null })
  const [camera] = CameraProxyStatus.parse(await until('a status', () => bare.status)).cameras
  expect(camera).toMatchObject({ state: 'waiting-ffmpeg' })
  expect(camera?.reason).toMatch(/ffmpeg is not installed/)
  await bare.stop()
})

test('kill -9 of the service leaves no ffmpeg behind', { timeout: 40_000 }, async () => {
  const other = await HostedChild.start({ service: 'camera-proxy', stateDir: root, cameras: [TEST_CAMERA, film] })
  const pids = await until('both ffmpegs', async () => {
    const lines = await children(other)
    const live = CameraProxyStatus.safeParse(other.status).data?.cameras.every((camera) => camera.state === 'live')
    return live && lines.length === 2 ? lines.map((line) => Number.parseInt(line, 10)) : null
  })
  await other.kill()
  await until('they to end', () => pids.every((pid) => !alive(pid)), 5_000)
})

async function children(service: HostedChild = proxy): Promise<string[]> {
  const { stdout } = await run('ps', ['-o', 'pid=,args=', '--ppid', String(service.process.pid)]).catch(() => ({ stdout: '' }))
  return stdout.split('\n').filter((line) => line.includes('ffmpeg'))
}

function alive(pid: number): boolean {
  try {
    process.kill(pid, 0)
    return true
  } catch {
    return false
  }
}
