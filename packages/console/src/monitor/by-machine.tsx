import type { AgentState } from '../client.tsx'

/* Pure. A camera is named by its machine and its id: two machines may call theirs alike. */

type Camera = AgentState['cameras'][number]
type Capture = AgentState['captures'][number]

export interface MachineWithCameras {
  nodeId: string
  name: string
  /** Whose console this is. */
  isHere: boolean
  cameras: readonly Camera[]
  /** Free for its recordings; null: not told. */
  roomBytes: number | null
}

/** This machine first, the others by name. */
export function machinesWithCameras(agent: AgentState): MachineWithCameras[] {
  const groups = [...Map.groupBy(agent.cameras, (camera) => camera.nodeId)].map(([nodeId, cameras]): MachineWithCameras => {
    const member = agent.members.find((one) => one.nodeId === nodeId)
    const isHere = nodeId === agent.node.nodeId
    const store = isHere ? agent.store : (member?.reported?.store ?? null)
    return {
      nodeId,
      name: member?.name ?? nodeId,
      isHere,
      cameras,
      roomBytes: store === null ? null : Math.max(0, store.diskFreeBytes - store.reserveBytes),
    }
  })
  return groups.toSorted((a, b) => Number(b.isHere) - Number(a.isHere) || a.name.localeCompare(b.name, 'en'))
}

/** The newest recording of a camera that is not finished; one that failed for as long as its daemon names it. */
export function captureOf(agent: AgentState, { nodeId, camera: { cameraId } }: Camera): Capture | null {
  const own = agent.captures
    .filter((capture) => capture.nodeId === nodeId && capture.cameraId === cameraId)
    .toSorted((a, b) => b.startedAtMs - a.startedAtMs)
  return (
    own.find((capture) => capture.state !== 'sealed' && capture.state !== 'failed') ??
    own.find((capture) => capture.state === 'failed') ??
    null
  )
}
