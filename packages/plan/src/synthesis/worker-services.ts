import type { PlannedService } from '@thatdam/protocol/plan'
import type { PlannedNode } from '../roster-view.ts'
import { canCarryConsole, coresOf, hasCameras, hasIndexPaths, isSmall } from './capability.ts'
import { isAlone, isLeader, type RingView } from './ring-view.ts'
import { whyDerive, whyIntel, whyProxy, whyStore, whyStreams, whyTranscode } from './why.ts'

const CORES_FOR_FULL_CAPTURE = 8

/** Bytes and cameras: what a machine does with what is plugged into it. */
export function deviceServices(node: PlannedNode, ring: RingView): PlannedService[] {
  const services: PlannedService[] = []
  if (ring.storeNodes.has(node.nodeId)) services.push(service('blob-store', 'full', whyStore(node, ring)))
  const small = isSmall(node)
  if (!small && (isLeader(node, ring) || isAlone(ring) || node.facts.alwaysOn || hasCameras(node))) services.push(capture(node))
  if (small || hasCameras(node)) services.push(service('camera-proxy', small ? 'light' : 'full', whyProxy(node, small)))
  if (ring.leader === null && !canCarryConsole(node)) {
    services.push(service('proxy-viewer', 'full', 'No leading machine is in reach, so it shows its own cameras on its own page.'))
  }
  return services
}

function capture(node: PlannedNode): PlannedService {
  if (!node.facts.uiAvailable)
    return service('capture-daemon', 'headless', 'Records cameras in the background, as nobody works in front of it.')
  if (coresOf(node) >= CORES_FOR_FULL_CAPTURE) {
    return service('capture-daemon', 'full', 'Records cameras at full quality, as it has cores to spare.')
  }
  return service('capture-daemon', 'light', 'Records cameras when you ask, gently, so that the screen stays smooth.')
}

/** Work on media: where the folders are, and where the power is. */
export function mediaServices(node: PlannedNode, ring: RingView): PlannedService[] {
  const services: PlannedService[] = []
  if (!isSmall(node) && (isAlone(ring) || hasIndexPaths(node))) {
    const why = hasIndexPaths(node)
      ? 'Reads your folders where they are and lists them in the library; no file is moved.'
      : 'Ready to read the folders you choose; no file is moved.'
    services.push(service('indexer', 'full', why))
  }
  const has = (duty: keyof RingView['duties']): boolean => ring.duties[duty].has(node.nodeId)
  if (has('deriver')) services.push(service('deriver', 'full', whyDerive(node)))
  if (has('transcoder')) services.push(service('transcoder', 'full', whyTranscode(node)))
  if (has('stream-processor')) services.push(service('stream-processor', 'full', whyStreams(node)))
  if (has('intel')) services.push(service('intel', 'full', whyIntel(node)))
  return services
}

function service(name: PlannedService['name'], mode: string, why: string): PlannedService {
  return { name, mode, params: {}, why }
}
