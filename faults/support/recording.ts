import { execFileSync } from 'node:child_process'
import { join } from 'node:path'
import { CaptureStatus } from '@thatdam/protocol/capture'
import type { RingMachine } from '@thatdam/testkit/ring/machine'
import { Violation, type Patience } from '../contract.ts'
import { must } from './rings.ts'

/** Two frames that follow each other are this far apart at most, in frames of the usual distance: a clock of whole milliseconds rounds. */
const FRAMES_APART_MAX = 1.5

/** A camera's recording on one machine, ordered at whoever leads, as its console does. */
export class Recording {
  readonly machine: RingMachine
  readonly captureId: string

  /** @param leading whoever leads now, which may hand over before it has given the order. */
  static async start(context: Patience, leading: () => Promise<RingMachine>, machine: RingMachine): Promise<Recording> {
    const cameraId = await must(context, `a camera of ${machine.name} is live`, async () => {
      const cameras = (await machine.state())?.cameras ?? []
      return cameras.find(({ state, nextFragment }) => state === 'live' && nextFragment > 0)?.camera.cameraId
    })
    const { captureId: begun } = await must(context, `whoever leads has ${machine.name} record`, async () => {
      const leader = await leading()
      return await order(leader, machine, { command: 'start', params: { cameraId } }).catch((error: unknown) => {
        if (error instanceof Error && error.message.includes(': 409 ')) return null
        throw error
      })
    })
    const recording = new Recording(machine, begun)
    // Its agent tells of it a moment after the answer.
    await must(context, `${machine.name} records`, async () => {
      const captures = (await machine.state())?.captures ?? []
      return captures.some(({ captureId, recordedMs }) => captureId === recording.captureId && recordedMs > 0)
    })
    return recording
  }

  private constructor(machine: RingMachine, captureId: string) {
    this.machine = machine
    this.captureId = captureId
  }

  /** Null: its machine does not answer now. @throws Violation when the machine knows of no such recording, or it has ended. */
  async status(): Promise<CaptureStatus | null> {
    const state = await this.machine.state()
    if (state === null) return null
    const status = state.captures.find(({ captureId }) => captureId === this.captureId)
    if (status === undefined) throw new Violation(`${this.machine.name} does not know of its recording any more`)
    return status
  }

  /** Waits until it has grown by this much more. @throws Violation when it does not record any more. */
  async grown(context: Patience, ms: number): Promise<void> {
    let from: number | null = null
    await must(context, `the recording on ${this.machine.name} grows`, async () => {
      const now = await this.status()
      if (now === null) return false
      if (now.state !== 'recording')
        throw new Violation(`the recording on ${this.machine.name} ended by itself: it is ${now.state} ${now.reason}`.trimEnd())
      from ??= now.recordedMs
      return now.recordedMs >= from + ms
    })
  }

  /** Stops it and waits until it is kept. @returns what is wrong with it, in one sentence; null: it is whole. */
  async stop(context: Patience, leader: RingMachine): Promise<string | null> {
    await order(leader, this.machine, { command: 'stop', params: { captureId: this.captureId } })
    const { gaps, sha256 } = await must(context, `the recording on ${this.machine.name} is sealed`, async () => {
      const status = await this.status()
      if (status?.state === 'failed') throw new Violation(`the recording on ${this.machine.name} failed: ${status.reason}`)
      return status?.state === 'sealed' ? status : null
    })
    if (gaps > 0) return `its machine tells of ${gaps} gaps`
    if (sha256 === null) return 'it is sealed and has no blob'
    return gapIn(join(this.machine.stateDir, 'store', 'blobs', sha256.slice(0, 2), sha256.slice(2, 4), sha256))
  }
}

async function order(leader: RingMachine, machine: RingMachine, asked: { command: string; params: object }): Promise<CaptureStatus> {
  const body = { nodeId: machine.name, ...asked }
  return CaptureStatus.parse(await leader.local('POST', '/local/services/capture-daemon/command', body, 40_000))
}

/** By the frames' own times, as ffprobe reads them. Their durations tell nothing: a file gives the last one before a gap the length of it. */
export function gapIn(file: string): string | null {
  const args = ['-v', 'error', '-select_streams', 'v', '-show_entries', 'packet=pts_time', '-of', 'csv=p=0', file]
  const lines = execFileSync('ffprobe', args, { encoding: 'utf8', maxBuffer: 64 * 1024 * 1024 }).split('\n')
  const times = lines.flatMap((line) => (line === '' ? [] : [Number.parseFloat(line)])).toSorted((a, b) => a - b)
  const steps = times.slice(1).map((time, index) => time - (times[index] ?? 0))
  const usual = steps.toSorted((a, b) => a - b)[Math.floor(steps.length / 2)]
  if (usual === undefined) return `it has ${times.length} frames`
  const place = steps.findIndex((step) => !(step <= usual * FRAMES_APART_MAX))
  return place === -1 ? null : `after ${times[place]} s no frame comes for ${steps[place]?.toFixed(3)} s`
}
