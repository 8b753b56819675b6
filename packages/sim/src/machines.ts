import type { NodeFacts } from '@thatdam/protocol/facts'
import { DEFAULT_SETTINGS } from '@thatdam/protocol/settings'
import type { PlannedNode } from '@thatdam/plan/roster-view'
import type { Chance } from './random.ts'

const KINDS = [
  { powerClass: 'pi', os: 'linux', cpuCores: 4, ramBytes: 8.4e9, alwaysOn: true, uiAvailable: true, battery: null },
  { powerClass: 'pi', os: 'linux', cpuCores: 4, ramBytes: 8.4e9, alwaysOn: true, uiAvailable: false, battery: null },
  { powerClass: 'win', os: 'win32', cpuCores: 16, ramBytes: 68e9, alwaysOn: false, uiAvailable: true, battery: null },
  { powerClass: 'zero', os: 'linux', cpuCores: 4, ramBytes: 0.43e9, alwaysOn: true, uiAvailable: false, battery: null },
  {
    powerClass: 'mac',
    os: 'darwin',
    cpuCores: 10,
    ramBytes: 34e9,
    alwaysOn: false,
    uiAvailable: true,
    battery: { percent: 80, charging: false },
  },
] as const satisfies readonly Partial<NodeFacts>[]

/** The ring's machines: the five kinds of the reference ring in a drawn mix, the first of which may always lead. */
export function drawMachines(count: number, chance: Chance): PlannedNode[] {
  return Array.from({ length: count }, (_, index) => {
    const kind = index === 0 ? KINDS[0] : chance.pick(KINDS)
    const nodeId = `${kind.powerClass}-${index}`
    return { nodeId, facts: factsOf(nodeId, kind), settings: DEFAULT_SETTINGS(nodeId), bootCounter: chance.whole(0, 9), alive: true }
  })
}

/** Somebody who was let in and is never there. */
export function guestMachine(nodeId: string): PlannedNode {
  return { nodeId, facts: factsOf(nodeId, KINDS[2]), settings: DEFAULT_SETTINGS(nodeId), bootCounter: 0, alive: false }
}

function factsOf(hostname: string, kind: (typeof KINDS)[number]): NodeFacts {
  return {
    version: 1,
    hostname,
    osName: kind.os,
    arch: 'x64',
    model: null,
    cpuModel: 'simulated',
    stores: [{ root: '/store', diskTotalBytes: 500e9, diskFreeBytes: 250e9 }],
    hasDocker: false,
    hasNode: true,
    hasFfmpeg: true,
    ffmpegVersion: null,
    encoders: [],
    cameras: [],
    gpus: [],
    netInterfaces: [],
    indexPaths: [],
    reachability: { lanAddresses: [], consolePort: 8080, consoleBind: 'lan' },
    bootCounter: 0,
    agentVersion: 'sim',
    ...kind,
  }
}
