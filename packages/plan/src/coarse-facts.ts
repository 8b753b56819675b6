import type { NodeFacts, StoreRoot } from '@thatdam/protocol/facts'
import { byText } from './roster-view.ts'

/** Free space is told in steps of this share of the disk. */
const STEP_PERCENT = 5
const STEPS_MAX = 100 / STEP_PERCENT - 1

/**
 * The facts that a node tells the whole ring, as an op: all that a layout depends on and what the console shows of a machine, and nothing that
 * changes by the hour or is nobody else's business (battery percent, addresses, where a camera's stream is opened, boots). Plans made of these
 * equal plans made of the facts themselves.
 * @param before the coarse facts that this node told last: free space keeps its step until it is half a step outside of it, so that
 * a disk at the edge of two steps does not write an op a minute.
 */
export function coarseFacts(facts: NodeFacts, before?: NodeFacts): NodeFacts {
  return {
    ...facts,
    stores: coarseStores(facts.stores, before?.stores ?? []),
    encoders: facts.encoders.toSorted(byText),
    cameras: facts.cameras
      .map((camera) => ({ ...camera, locator: '', modes: [] }))
      .toSorted((a, b) => byText(a.cameraId, b.cameraId) || byText(a.name, b.name)),
    netInterfaces: [],
    battery: facts.battery === null ? null : { percent: 100, charging: true },
    reachability: { ...facts.reachability, lanAddresses: [] },
    bootCounter: 0,
  }
}

/**
 * Two roots with equal figures count as one disk (`diskTotalBytes`): roots of one disk stay equal here, and disks of one size that come to lie on
 * the same step are told apart by a byte.
 */
function coarseStores(stores: readonly StoreRoot[], before: readonly StoreRoot[]): StoreRoot[] {
  const disks = [...new Set(stores.map(diskOf))]
  return stores.map((store) => {
    const known = before.find(({ root, diskTotalBytes }) => root === store.root && diskTotalBytes === store.diskTotalBytes)
    const free = coarseFree(store, known)
    return { ...store, diskFreeBytes: free === null ? store.diskFreeBytes : free + disks.indexOf(diskOf(store)) }
  })
}

const diskOf = ({ diskTotalBytes, diskFreeBytes }: StoreRoot): string => `${diskTotalBytes}:${diskFreeBytes}`

/** Null: figures that cannot be; they are passed on, so that the owner is told. */
function coarseFree({ diskTotalBytes: total, diskFreeBytes: free }: StoreRoot, before: StoreRoot | undefined): number | null {
  const stepBytes = Math.floor((total * STEP_PERCENT) / 100)
  if (!(free >= 0 && free <= total) || stepBytes < 1024) return null
  const stepOf = (bytes: number): number => Math.min(STEPS_MAX, Math.floor((bytes * 100) / total / STEP_PERCENT))
  const step = stepOf(free)
  const told = before === undefined ? null : stepOf(before.diskFreeBytes)
  // Below the first step a machine takes no further copies: that is told at once.
  const keeps = told !== null && step !== 0 && told !== 0 && Math.abs(free - (told + 0.5) * stepBytes) <= stepBytes
  // Rounded up, so that the share of the step is reached.
  return Math.ceil(((keeps ? told : step) * STEP_PERCENT * total) / 100)
}
