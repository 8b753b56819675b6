import { fakeCamera } from '@thatdam/testkit/fake-members'
import { fakeState } from '@thatdam/testkit/fake-state'
import { expect, test } from 'vitest'
import type { AgentState } from '../client.tsx'
import { captureOf, machinesWithCameras } from './by-machine.tsx'

/** As it comes over the wire. */
const state = (): AgentState => JSON.parse(JSON.stringify(fakeState())) as AgentState

test('this machine’s cameras come first, the others’ by name, each with the room on its own disk', () => {
  const agent = state()
  agent.cameras.unshift(fakeCamera('usb-1.2-front', 'Cellar', { nodeId: 'pi5-server-91be02' }))
  expect(machinesWithCameras(agent).map(({ name, isHere, cameras }) => [name, isHere, cameras.length])).toEqual([
    ['pi5-desktop', true, 3],
    ['pi5-server', false, 1],
    ['pizero-cam1', false, 1],
  ])
  expect(machinesWithCameras(agent)[2]?.roomBytes).toBe(17e9)
})

test('two machines that call a camera alike: a recording is shown on its own', () => {
  const agent = state()
  const [here] = agent.cameras
  const there = fakeCamera('usb-1.2-front', 'Cellar', { nodeId: 'pi5-server-91be02' })
  const capture = { captureId: 'c', cameraId: 'usb-1.2-front', nodeId: there.nodeId, title: '', state: 'recording' as const, reason: '' }
  agent.captures.push({ ...capture, startedAtMs: 1, recordedMs: 0, sizeBytes: 0, gaps: 0, diskSecondsLeft: null, sha256: null })
  expect(captureOf(agent, there)?.captureId).toBe('c')
  expect(here && captureOf(agent, here)).toBeNull()
})
