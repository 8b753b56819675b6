import { dirname, join } from 'node:path'
import { planBodyHash } from '@thatdam/plan/body-hash'
import type { Json } from '@thatdam/protocol/canonical'
import type { NodeFacts } from '@thatdam/protocol/facts'
import type { ServiceConfig } from '@thatdam/protocol/local'
import type { PlanBody, PlannedService, ServiceName } from '@thatdam/protocol/plan'
import type { Plan } from '../plan-applier.ts'
import type { ConfigPart, Service } from '../services/service.ts'

const fixture = join(import.meta.dirname, 'fixture-service.mjs')

export const fixtureSpec = { entry: { file: fixture, cwd: dirname(fixture) }, nice: 0, rssMaxBytes: 512 * 2 ** 20, heapMaxMiB: 64 }

/** A service whose process is the fixture beside this file. */
export function fixtureService(name: ServiceName, uses: readonly ConfigPart[] = [], rssMaxMiB = 512): Service {
  return {
    name,
    uses,
    assess: () => ({ canRun: true }),
    start: (context, host) => host.exec(context, { ...fixtureSpec, rssMaxBytes: rssMaxMiB * 2 ** 20 }),
  }
}

export const planned = (name: ServiceName, params: Record<string, Json> = {}, mode = 'full'): PlannedService => ({
  name,
  mode,
  params,
  why: 'A test asks for it.',
})

export function planOf(...services: PlannedService[]): Plan {
  const body: PlanBody = {
    version: 1,
    nodeId: 'test-node',
    role: 'leader',
    standby: false,
    services,
    quotas: { maxDerives: 1, maxTranscodes: 0, maxIntel: 0, cpuReservePercent: 30, quietHours: null },
    storage: { weight: 1, replicas: 1 },
    cameras: [],
  }
  return { hash: planBodyHash(body), body }
}

export const configOf = (one: PlannedService, more: Partial<ServiceConfig> = {}): ServiceConfig => ({
  service: one.name,
  mode: one.mode,
  params: one.params,
  nodeId: 'test-node',
  nodeName: 'Test',
  stateDir: '/nowhere',
  casRoot: '/nowhere',
  indexPaths: [],
  cameras: [],
  localUrl: 'http://127.0.0.1:1',
  localToken: 'local-token',
  ffmpegPath: null,
  ffprobePath: null,
  maxParallel: 1,
  peers: {},
  logLevel: 'info',
  ...more,
})

/** A machine that may lead, as a test's `gather` gives it. */
export const FACTS: NodeFacts = {
  version: 1,
  hostname: 'test',
  os: 'linux',
  osName: 'Test Linux',
  arch: 'x64',
  model: null,
  cpuCores: 4,
  cpuModel: 'test',
  ramBytes: 8e9,
  stores: [],
  hasDocker: false,
  hasNode: true,
  hasFfmpeg: false,
  ffmpegVersion: null,
  encoders: [],
  cameras: [],
  gpus: [],
  netInterfaces: [],
  indexPaths: [],
  uiAvailable: true,
  powerClass: 'linux',
  alwaysOn: true,
  battery: null,
  reachability: { lanAddresses: ['192.0.2.7'], consolePort: 8080, consoleBind: 'loopback' },
  bootCounter: 1,
  agentVersion: '0.1.0',
}
