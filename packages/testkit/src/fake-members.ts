import type { LocalMember, RingCamera } from '@thatdam/protocol/local'
import type { PlannedService, ServiceReport } from '@thatdam/protocol/plan'
import { DEFAULT_SETTINGS, type NodeSettings } from '@thatdam/protocol/settings'
import { sha } from './fake-library.ts'

/* The other machines of the reference ring, as its leader knows them. */

const GB = 1e9

export const planned = (name: PlannedService['name'], mode: string, why: string): PlannedService => ({ name, mode, params: {}, why })
export const running = (service: PlannedService, report: Partial<ServiceReport> = {}): ServiceReport => ({
  name: service.name,
  mode: service.mode,
  state: 'running',
  reason: '',
  restarts: 0,
  why: service.why,
  ...report,
})

export function fakeMember(nodeId: string, osName: string, more: Partial<LocalMember> = {}): LocalMember {
  const name = nodeId.replace(/-[0-9a-f]{6}$/, '')
  return {
    nodeId,
    name,
    role: 'worker',
    osName,
    self: false,
    awake: true,
    lastContactMs: Date.now(),
    standby: false,
    admitter: false,
    consoleUrl: null,
    services: [],
    reported: null,
    settings: DEFAULT_SETTINGS(name),
    ...more,
  }
}

interface Told {
  services: [PlannedService, Partial<ServiceReport>?][]
  free: number
  total: number
  assets?: number
  problems?: string[]
}
function told({ services, free, total, assets = 0, problems = [] }: Told): Pick<LocalMember, 'services' | 'reported'> {
  return {
    services: services.map(([service]) => service),
    reported: {
      agentVersion: '0.1.0',
      plan: {
        desiredHash: sha('plan'),
        appliedHash: sha('plan'),
        rejected: null,
        services: services.map(([service, report]) => running(service, report)),
      },
      store: { root: '/var/lib/thatdam/store', diskFreeBytes: free * GB, diskTotalBytes: total * GB, reserveBytes: 2 * GB },
      assets,
      index: null,
      problems,
    },
  }
}

const supervisor = planned('supervisor', 'full', 'Every machine runs the part that keeps its other parts running.')
const settings = (name: string, more: Partial<NodeSettings> = {}): { settings: NodeSettings } => ({
  settings: { ...DEFAULT_SETTINGS(name), ...more },
})

export function fakeOthers(nowMs: number): LocalMember[] {
  const heard = { lastContactMs: nowMs - 2_000 }
  return [
    fakeMember('pi5-server-91be02', 'Debian GNU/Linux 13 (trixie)', {
      ...heard,
      standby: true,
      admitter: true,
      consoleUrl: 'http://192.168.1.21:8080',
      ...settings('pi5-server', { labels: ['cellar'] }),
      ...told({
        services: [
          [supervisor],
          [planned('blob-store', 'full', 'It is always on and has the largest disk.')],
          [planned('catalog', 'follow', 'It takes over when pi5-desktop fails.')],
          [planned('deriver', 'full', 'It is always on and has four cores to spare.')],
          [
            planned('camera-proxy', 'full', 'A camera is connected to it.'),
            { state: 'waiting', reason: 'ffmpeg is missing. Install it on pi5-server: sudo apt install ffmpeg' },
          ],
        ],
        free: 3_200,
        total: 4_000,
        assets: 1_804,
      }),
    }),
    fakeMember('win11-editor-c07d11', 'Windows 11 Pro', {
      ...heard,
      consoleUrl: 'http://192.168.1.22:8080',
      ...settings('win11-editor', { indexPaths: ['D:\\Footage'], quietHours: { from: '22:00', to: '07:00' } }),
      ...told({
        services: [
          [supervisor],
          [planned('indexer', 'full', 'Its folders were chosen for indexing.')],
          [planned('transcoder', 'full', 'It has a graphics card that encodes.'), { state: 'not-in-this-version' }],
          [
            planned('deriver', 'light', 'It makes thumbnails of what lies on its own disk.'),
            { state: 'backing-off', restarts: 3, reason: 'It ended by itself three times; the next start is in 40 s.' },
          ],
        ],
        free: 61,
        total: 2_000,
        assets: 12_450,
        problems: ['The folder E:\\Archive is not there: its drive may be unplugged.'],
      }),
    }),
    fakeMember('macbook-5510aa', 'macOS 26.3', {
      awake: false,
      lastContactMs: nowMs - 5_400_000,
      ...settings('macbook', { indexPaths: ['/Users/anna/Movies'], excludeLeader: true }),
      ...told({ services: [[supervisor], [planned('indexer', 'full', 'Its folders were chosen for indexing.')]], free: 210, total: 1_000 }),
    }),
    fakeMember('pizero-cam1-aa30f7', 'Raspberry Pi OS Lite', {
      ...heard,
      role: 'proxy',
      ...settings('pizero-cam1'),
      ...told({
        services: [[supervisor], [planned('camera-proxy', 'full', 'It is too small for more, and has a camera.')]],
        free: 19,
        total: 32,
      }),
    }),
  ]
}

export const fakeCamera = (cameraId: string, name: string, extra: Partial<RingCamera> & Pick<RingCamera, 'nodeId'>): RingCamera => ({
  camera: {
    cameraId,
    kind: 'v4l2',
    name,
    locator: `/dev/v4l/by-path/${cameraId}`,
    modes: [{ codec: 'mjpeg', width: 1280, height: 720, fps: 30 }],
  },
  state: 'live',
  reason: '',
  codec: 'h264',
  encoder: 'libx264',
  width: 1280,
  height: 720,
  fps: 30,
  bitRate: 3_600_000,
  viewers: 1,
  firstFragment: 120,
  nextFragment: 130,
  ...extra,
})
