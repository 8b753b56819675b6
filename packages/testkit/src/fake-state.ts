import type { IndexStatus } from '@thatdam/protocol/index-status'
import type { LocalState, RingCamera } from '@thatdam/protocol/local'
import type { PlannedService, ServiceReport } from '@thatdam/protocol/plan'
import { sha } from './fake-library.ts'
import { fakeCamera, fakeMember, fakeOthers, planned, running } from './fake-members.ts'

/* The state of `pi5-desktop`, leader of the reference ring, as its agent would tell it. */

const NODE = 'pi5-desktop-4f2a90'
const GiB = 1024 ** 3

const SERVICES: readonly [PlannedService, Partial<ServiceReport>][] = [
  [planned('supervisor', 'full', 'Every machine runs the part that keeps its other parts running.'), {}],
  [planned('api-gateway', 'full', 'Every machine answers browsers and other machines at one door.'), {}],
  [planned('local-console', 'full', 'This machine leads the ring: always on and with a desktop.'), {}],
  [planned('catalog', 'full', 'The leader keeps the list of all media for the console.'), {}],
  [planned('media-api', 'full', 'The leader serves pictures and footage to the console.'), {}],
  [planned('blob-store', 'full', 'It is always on and has 412 GB free.'), {}],
  [planned('indexer', 'full', 'Folders on this machine were chosen for indexing.'), {}],
  [planned('deriver', 'light', 'It makes thumbnails of what lies on its own disk.'), {}],
  [planned('camera-proxy', 'full', 'Two cameras are connected to this machine.'), {}],
  [planned('capture-daemon', 'light', 'Cameras are connected; recordings go to its store.'), {}],
  [planned('live-hub', 'embedded', 'The leader passes live pictures on to viewers.'), {}],
  [planned('intel', 'l0', 'It has cores to spare at night.'), { state: 'not-in-this-version', reason: '' }],
]

const camera = (cameraId: string, name: string, extra: Partial<RingCamera> = {}): RingCamera =>
  fakeCamera(cameraId, name, { nodeId: NODE, ...extra })

export const IDLE_INDEX: IndexStatus = {
  state: 'idle',
  roots: [{ path: '/home/anna/Pictures', problem: null, filesSeen: 4123 }],
  filesDone: 4123,
  filesTotal: 4123,
  bytesDone: 212e9,
  bytesTotal: 212e9,
  bytesPerSecond: null,
  secondsLeft: null,
  errorCount: 0,
  errors: [],
  lastFinishedAtMs: Date.now() - 240_000,
}

export const BUSY_INDEX: IndexStatus = {
  ...IDLE_INDEX,
  state: 'indexing',
  filesDone: 1830,
  bytesDone: 96e9,
  bytesPerSecond: 118e6,
  secondsLeft: 983,
  errorCount: 2,
  errors: [
    { path: '/home/anna/Pictures/Phone/empty.jpg', reason: 'The file is empty.' },
    { path: '/home/anna/Pictures/Private', reason: 'The folder cannot be read: permission denied. Allow the user thatdam to read it.' },
  ],
}

export function fakeState(nowMs = Date.now()): LocalState {
  const facts = fakeFacts()
  return {
    version: 1,
    node: {
      nodeId: NODE,
      clusterId: '0b0f3b5e-6a52-4c0e-9f3b-0d1d8f1f6a11',
      fingerprint: sha('genesis'),
      role: 'leader',
      term: { number: 7, nodeId: NODE },
      startedAtMs: nowMs - 3_600_000,
      agentVersion: '0.1.0',
    },
    settings: {
      name: 'pi5-desktop',
      labels: ['studio', 'always on'],
      indexPaths: ['/home/anna/Pictures'],
      excludeServices: [],
      excludeLeader: false,
      quotas: {},
      quietHours: null,
    },
    settingsProblems: [],
    facts,
    plan: {
      desiredHash: sha('plan'),
      appliedHash: sha('plan'),
      rejected: null,
      services: SERVICES.map(([service, report]) => running(service, report)),
    },
    members: [
      fakeMember(NODE, facts.osName, {
        role: 'leader',
        self: true,
        lastContactMs: null,
        admitter: true,
        consoleUrl: 'http://192.168.1.20:8080',
        services: SERVICES.map(([service]) => service),
      }),
      ...fakeOthers(nowMs),
    ],
    ring: {
      claimed: true,
      leader: { nodeId: NODE, name: 'pi5-desktop', consoleUrl: 'http://192.168.1.20:8080' },
      waiting: [],
      others: [],
      policy: { replicas: null, pinnedLeader: null, goesOn: null },
      policyEdits: { replicas: null, pinnedLeader: null, goesOn: null },
      recoveryKeyMade: false,
    },
    adoptions: [],
    cloud: { url: 'https://cloud.example', state: 'connected', lastContactMs: nowMs - 8_000, reason: '' },
    cameras: [
      camera('usb-1.2-front', 'Front door'),
      camera('usb-1.3-bench', 'Workbench', { viewers: 0 }),
      camera('usb-1.4-yard', 'Yard', {
        state: 'gone',
        reason: 'The camera was unplugged 4 minutes ago. Plug it in again; it starts by itself.',
        width: null,
        height: null,
        fps: null,
      }),
      camera('usb-1.1-shed', 'Shed', { nodeId: 'pizero-cam1-aa30f7', width: 640, height: 480, fps: 15 }),
    ],
    captures: [],
    index: IDLE_INDEX,
    derive: { state: 'idle', done: 4100, waiting: 0, failed: 1, current: null },
    store: { root: '/var/lib/thatdam/store', diskFreeBytes: 412 * GiB, diskTotalBytes: 931 * GiB, reserveBytes: 5 * GiB },
    owner: { passwordSet: true, consoleBind: 'lan', consoleUrls: ['http://localhost:8080', 'http://192.168.1.20:8080'] },
  }
}

function fakeFacts(): LocalState['facts'] {
  return {
    version: 1,
    hostname: 'pi5-desktop',
    os: 'linux',
    osName: 'Raspberry Pi OS (trixie)',
    arch: 'arm64',
    model: 'Raspberry Pi 5 Model B Rev 1.0',
    cpuCores: 4,
    cpuModel: 'Cortex-A76',
    ramBytes: 8 * GiB,
    stores: [{ root: '/var/lib/thatdam/store', diskTotalBytes: 931 * GiB, diskFreeBytes: 412 * GiB }],
    hasDocker: false,
    hasNode: true,
    hasFfmpeg: true,
    ffmpegVersion: '7.1',
    encoders: ['libx264'],
    cameras: [],
    gpus: [],
    netInterfaces: [],
    indexPaths: ['/home/anna/Pictures'],
    uiAvailable: true,
    powerClass: 'pi',
    alwaysOn: true,
    battery: null,
    reachability: { lanAddresses: ['192.168.1.20'], consolePort: 8080, consoleBind: 'lan' },
    bootCounter: 12,
    agentVersion: '0.1.0',
  }
}
