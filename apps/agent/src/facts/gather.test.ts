import fs from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { FRAGMENT_MOVFLAGS } from '@thatdam/media/ffmpeg/argv'
import { NodeFacts, type CameraFacts } from '@thatdam/protocol/facts'
import { afterEach, expect, it, vi } from 'vitest'
import * as z from 'zod/mini'
import { cameraId } from './cameras/camera-id.ts'
import { testCameras } from './cameras/discover.ts'
import { busPathOf, discoverV4l2, listV4l2Nodes } from './cameras/v4l2.ts'
import { watchCameras } from './cameras/watch.ts'
import { probeFfmpeg } from './encoders.ts'
import { findFfmpeg, findFfprobe, gatherFacts } from './gather.ts'
import { classifyInterfaces, lanAddresses } from './network.ts'
import { isAlwaysOn, powerClassOf } from './power-class.ts'
import { gatherLinux } from './system/linux.ts'
import { findTool, runTool } from './tool.ts'

const folders: string[] = []
function makeFolder(): string {
  const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'thatdam-facts-'))
  folders.push(folder)
  return folder
}
function write(root: string, files: Record<string, string>): void {
  for (const [file, text] of Object.entries(files)) {
    fs.mkdirSync(path.dirname(path.join(root, file)), { recursive: true })
    fs.writeFileSync(path.join(root, file), text)
  }
}
/** Of an encoder that knows its parameter sets before the first picture (`+global_header`), or does not, as h264_v4l2m2m. */
const film = (flags: string, file: string): string[] => [
  ...'-v error -f lavfi -i color=black:s=320x240:r=10 -t 1 -c:v libx264 -f mp4'.split(' '),
  '-movflags',
  FRAGMENT_MOVFLAGS,
  '-flags',
  flags,
  file,
]
const v4 = (address: string, internal = false) => ({ address, family: 'IPv4', internal })
const v6 = (address: string) => ({ address, family: 'IPv6', internal: false })
const linux = (model: string | null, gibibytes: number) => powerClassOf({ os: 'linux', model, ramBytes: gibibytes * 1024 ** 3 })
afterEach(() => {
  for (const folder of folders.splice(0)) fs.rmSync(folder, { recursive: true, force: true })
})

it('gathers this machine in the schema of the wire', async () => {
  const root = makeFolder()
  const facts = await gatherFacts({
    agentVersion: '0.1.0-test',
    bootCounter: 3,
    storeRoots: [path.join(root, 'not', 'made', 'yet')],
    indexPaths: [root],
    consolePort: 8080,
    consoleBind: 'loopback',
    ffmpegPath: null,
    testCameras: ['clock'],
    encoderCacheFile: path.join(root, 'encoders.json'),
    factsFile: null,
  })
  expect(z.safeParse(NodeFacts, facts).error).toBeUndefined()
  expect(facts.ramBytes).toBeGreaterThan(100 * 1024 ** 2)
  expect(facts.stores[0]?.diskTotalBytes).toBeGreaterThan(0)
  expect(facts.cameras.at(-1)?.cameraId).toBe('test:clock')
  expect(facts.netInterfaces.some((entry) => entry.scope === 'loopback')).toBe(true)
  expect(facts.reachability.lanAddresses.some((address) => address.startsWith('127.'))).toBe(false)
})

it('ffmpeg: listed hardware encoders are tried, the finding is kept until ffmpeg changes', async () => {
  const root = makeFolder()
  const counted = path.join(root, 'runs')
  expect((await runTool('ffmpeg', film('+global_header', path.join(root, 'good.mp4')))).code).toBe(0)
  expect((await runTool('ffmpeg', film('-global_header', path.join(root, 'empty.mp4')))).code).toBe(0)
  // A stand-in ffmpeg that counts its runs: NVENC does not open, the Pi's encoder leaves the head empty, OpenH264 is a shell.
  const script = `#!/bin/sh
echo x >> '${counted}'
case "$*" in
*-version*) echo 'ffmpeg version 9.9' ;;
*-encoders*) printf ' V....D %s  N\\n' h264_nvenc h264_videotoolbox h264_v4l2m2m libx264 libopenh264 ;;
*h264_videotoolbox* | *libx264*) cat '${root}/good.mp4' ;;
*h264_v4l2m2m*) cat '${root}/empty.mp4' ;;
*libopenh264*) exit 0 ;;
*) exit 1 ;;
esac
`
  write(root, { ffmpeg: script })
  fs.chmodSync(path.join(root, 'ffmpeg'), 0o755)
  const cache = path.join(root, 'encoders.json')
  const first = await probeFfmpeg(path.join(root, 'ffmpeg'), cache)
  expect(first).toEqual({ ffmpegVersion: '9.9', encoders: ['h264_videotoolbox', 'libx264'] })
  const runs = fs.readFileSync(counted, 'utf8')
  expect(await probeFfmpeg(path.join(root, 'ffmpeg'), cache)).toEqual(first)
  expect(fs.readFileSync(counted, 'utf8')).toBe(runs)
  fs.utimesSync(path.join(root, 'ffmpeg'), 1000, 1000)
  await probeFfmpeg(path.join(root, 'ffmpeg'), cache)
  expect(fs.readFileSync(counted, 'utf8').length).toBe(runs.length * 2)
  fs.writeFileSync(cache, '{"torn')
  expect(await probeFfmpeg(path.join(root, 'ffmpeg'), cache)).toEqual(first)
  // The verdict of an agent that only looked whether an encoder opens is not believed.
  const kept: object = JSON.parse(fs.readFileSync(cache, 'utf8'))
  fs.writeFileSync(cache, JSON.stringify({ ...kept, version: 1, encoders: ['h264_v4l2m2m'] }))
  expect(await probeFfmpeg(path.join(root, 'ffmpeg'), cache)).toEqual(first)
  expect(findFfmpeg(path.join(root, 'ffmpeg'))).toBe(path.join(root, 'ffmpeg'))
  expect(findFfmpeg(path.join(root, 'absent'))).toBe(findTool(['ffmpeg']))
  expect(findFfprobe(path.join(root, 'ffmpeg'))).toBe(findTool(['ffprobe']))
})

it('the real ffmpeg: no hardware encoder is told that does not encode', async () => {
  const real = findTool(['ffmpeg'])
  if (!real) throw new Error('ffmpeg is missing on this machine: npm test installs it')
  const facts = await probeFfmpeg(real, null)
  expect(facts.ffmpegVersion).toBeTruthy()
  const hardware = facts.encoders.filter((name) => /_(nvenc|qsv|vaapi|v4l2m2m|videotoolbox|amf|mf)$/.test(name))
  for (const name of hardware) {
    const again = await runTool(real, [
      '-v',
      'error',
      '-f',
      'lavfi',
      '-i',
      'color=black:s=640x480',
      '-frames:v',
      '1',
      '-c:v',
      name,
      '-f',
      'null',
      '-',
    ])
    expect([name, /vaapi/.test(name) || again.code === 0]).toEqual([name, true])
  }
  expect(facts.encoders).toContain('libx264')
})

it('a tool that hangs, floods or is missing costs a bounded time and memory', async () => {
  const startedAt = performance.now()
  const hung = await runTool('/bin/sh', ['-c', 'sleep 30 & sleep 30'], 300)
  expect(hung.timedOut).toBe(true)
  expect(performance.now() - startedAt).toBeLessThan(3000)
  const flood = await runTool('/bin/sh', ['-c', 'head -c 3000000 /dev/zero'])
  expect(flood.stdout.length).toBe(1024 * 1024)
  expect((await runTool('/no/such/tool', [])).missing).toBe(true)
})

it('interfaces: scopes, and the best address first', () => {
  const interfaces = classifyInterfaces(
    {
      lo: [v4('127.0.0.1', true)],
      docker0: [v4('172.17.0.1')],
      'br-0a1b': [v4('172.18.0.1')],
      br0: [v4('10.0.0.9')],
      wlan0: [v4('192.168.2.230'), v4('169.254.11.146'), v6('2001:db8::1'), v6('fe80::1')],
      end0: [v4('192.168.2.20')],
      tailscale0: [v4('100.64.1.1')],
      'Ethernet 3': [v4('100.64.7.7')],
    },
    new Set(['100.64.7.7']),
  )
  const scopes = Object.fromEntries(interfaces.map((entry) => [entry.address, entry.scope]))
  expect(scopes).toEqual({
    '127.0.0.1': 'loopback',
    '172.17.0.1': 'virtual',
    '172.18.0.1': 'virtual',
    '10.0.0.9': 'lan',
    '192.168.2.230': 'lan',
    '169.254.11.146': 'link-local',
    '2001:db8::1': 'lan',
    'fe80::1': 'link-local',
    '192.168.2.20': 'lan',
    '100.64.1.1': 'vpn',
    '100.64.7.7': 'vpn',
  })
  expect(lanAddresses(interfaces, 'wlan0')).toEqual([
    '192.168.2.230',
    '10.0.0.9',
    '192.168.2.20',
    '2001:db8::1',
    '100.64.1.1',
    '100.64.7.7',
  ])
  expect(lanAddresses(interfaces, null)[0]).toBe('10.0.0.9')
})

it('power class and always-on', () => {
  expect([
    linux('Raspberry Pi 5 Model B Rev 1.0', 8),
    linux('Raspberry Pi Zero 2 W Rev 1.0', 0.4),
    linux(null, 16),
    linux('Some board', 0.5),
  ]).toEqual(['pi', 'zero', 'linux', 'zero'])
  expect(powerClassOf({ os: 'darwin', model: null, ramBytes: 1 })).toBe('mac')
  const still = { hasBattery: false, portable: false, sleeps: false }
  expect([
    isAlwaysOn(still),
    isAlwaysOn({ ...still, hasBattery: true }),
    isAlwaysOn({ ...still, portable: true }),
    isAlwaysOn({ ...still, sleeps: true }),
  ]).toEqual([true, false, false, false])
})

it('a Pi and a laptop out of their files', async () => {
  const pi = makeFolder()
  write(pi, {
    'etc/os-release': 'PRETTY_NAME="Debian GNU/Linux 12 (bookworm)"\n',
    'proc/device-tree/model': 'Raspberry Pi 5 Model B Rev 1.0\0',
    'proc/meminfo': 'MemTotal:        8245572 kB\n',
    'sys/class/power_supply/hid-mouse/type': 'Battery\n',
    'sys/class/power_supply/hid-mouse/scope': 'Device\n',
    'sys/class/drm/card0/device/uevent': 'DRIVER=v3d\n',
    'run/user/1000/wayland-1': '',
  })
  expect(await gatherLinux(pi)).toMatchObject({
    model: 'Raspberry Pi 5 Model B Rev 1.0',
    battery: null,
    portable: false,
    sleeps: false,
    uiAvailable: true,
    gpus: [{ name: 'v3d graphics' }],
  })
  const laptop = makeFolder()
  write(laptop, {
    'sys/class/power_supply/BAT0/type': 'Battery\n',
    'sys/class/power_supply/BAT0/capacity': '81\n',
    'sys/class/power_supply/BAT0/status': 'Not charging\n',
    'sys/class/dmi/id/chassis_type': '10\n',
    'sys/class/dmi/id/sys_vendor': 'LENOVO\n',
    'sys/class/dmi/id/product_name': '20XW\n',
    'sys/power/suspend_stats/success': '4\n',
    'sys/class/drm/card1/device/vendor': '0x8086\n',
    'sys/class/drm/card1/device/device': '0x9a49\n',
  })
  expect(await gatherLinux(laptop)).toMatchObject({
    model: 'LENOVO 20XW',
    battery: { percent: 81, charging: true },
    portable: true,
    sleeps: true,
    uiAvailable: false,
    gpus: [{ name: 'Intel 0x9a49' }],
  })
})

it('v4l2: ids from port and serial, by-path locators, codec nodes left out', async () => {
  const root = fs.realpathSync(makeFolder())
  const device = 'sys/devices/pci0000:00/0000:00:14.0/usb1/1-3/1-3.1/1-3.1:1.0'
  const node = (video: string, name: string, index: string, target: string | null) => {
    write(root, {
      [`sys/class/video4linux/${video}/name`]: `${name}\n`,
      [`sys/class/video4linux/${video}/index`]: `${index}\n`,
      [`dev/${video}`]: '',
    })
    if (target) fs.symlinkSync(path.join(root, target), path.join(root, `sys/class/video4linux/${video}/device`))
  }
  write(root, { [`${device}/x`]: '', 'sys/devices/pci0000:00/0000:00:14.0/usb1/1-3/1-3.1/serial': 'AB 12/3\n' })
  node('video0', 'HD Pro Webcam C920', '0', device)
  node('video1', 'HD Pro Webcam C920', '1', device)
  node('video10', 'bcm2835-codec-decode', '0', null)
  node('video20', 'Dummy', '0', null)
  fs.mkdirSync(path.join(root, 'dev/v4l/by-path'), { recursive: true })
  fs.symlinkSync('../../video0', path.join(root, 'dev/v4l/by-path/pci-0000:00:14.0-usb-0:3.1:1.0-video-index0'))
  expect((await listV4l2Nodes(root)).map((entry) => entry.node)).toEqual(['/dev/video0', '/dev/video1', '/dev/video20'])
  expect(await discoverV4l2(null, root)).toMatchObject([
    {
      cameraId: 'v4l2:0000:00:14.0-usb-3.1-1.0:AB-12-3',
      name: 'HD Pro Webcam C920',
      locator: '/dev/v4l/by-path/pci-0000:00:14.0-usb-0:3.1:1.0-video-index0',
    },
    { cameraId: 'v4l2:virtual-Dummy', locator: '/dev/video20' },
  ])
  expect(busPathOf('/sys/devices/platform/scb/fd500000.pcie/pci0000:00/0000:00:00.0/0000:01:00.0/usb3/3-1/3-1:1.0')).toBe(
    '0000:01:00.0-usb-1-1.0',
  )
  expect(cameraId('v4l2', 'x'.repeat(300)).length).toBe(128)
  expect(testCameras(['clock', 'clock', 'a b']).map((camera) => camera.cameraId)).toEqual(['test:clock', 'test:a-b'])
})

it('watching: what differs from the facts is told', async () => {
  const told: CameraFacts[][] = []
  const stop = watchCameras({ ffmpegPath: null, testCameras: ['clock'], initial: [], devFolder: makeFolder() }, (cameras) =>
    told.push(cameras),
  )
  try {
    await vi.waitFor(() => expect(told.at(-1)?.at(-1)?.cameraId).toBe('test:clock'), { timeout: 5000 })
  } finally {
    stop()
  }
})
