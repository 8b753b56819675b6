import type { Member } from '@thatdam/control/roster'
import type { CameraStatus, CaptureStatus } from '@thatdam/protocol/capture'
import type { MemberReport } from '@thatdam/protocol/member'
import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { Version } from '../state/version.ts'
import { reportToLeader } from './reports.ts'
import { quietReport } from './testing/member-report.ts'

beforeEach(() => {
  vi.useFakeTimers()
})
afterEach(() => {
  vi.useRealTimers()
})

const QUIET = quietReport('pizero-cam1')

const camera = (more: Partial<CameraStatus>): CameraStatus => ({
  camera: { cameraId: 'cam', name: 'Door', kind: 'v4l2', modes: [] } as unknown as CameraStatus['camera'],
  state: 'live',
  reason: '',
  codec: 'avc1.42c01f',
  encoder: null,
  width: 1280,
  height: 720,
  fps: 30,
  bitRate: 1_000_000,
  viewers: 0,
  firstFragment: 0,
  nextFragment: 10,
  ...more,
})

const capture = (recordedMs: number): CaptureStatus => ({ captureId: 'one', state: 'recording', recordedMs }) as unknown as CaptureStatus

/** A member that reports: what it tells, with the second at which the leader got it. */
class Reporter {
  readonly got: { readonly atS: number; readonly report: MemberReport }[] = []
  private now: MemberReport = QUIET
  private readonly version = new Version()
  private readonly ended = new AbortController()
  private readonly startMs = performance.now()

  constructor() {
    const call = async ({ body }: { body?: unknown }): Promise<unknown> => {
      this.got.push({ atS: Math.round((performance.now() - this.startMs) / 100) / 10, report: body as MemberReport })
      return null
    }
    const leader = { nodeId: 'pi5-desktop', publicKey: 'key' } as Member
    const ports = { client: () => ({ call }) as never, version: this.version, leader: () => leader, compose: () => this.now }
    void reportToLeader(ports, this.ended.signal)
  }

  is(more: Partial<MemberReport>): void {
    this.now = { ...this.now, ...more }
    this.version.bump()
  }

  async run(seconds: number): Promise<void> {
    await vi.advanceTimersByTimeAsync(seconds * 1_000)
  }

  /** When it reported since the last call. */
  times(): number[] {
    return this.got.splice(0).map(({ atS }) => atS)
  }

  end(): void {
    this.ended.abort()
  }
}

test('what people wait for is told at once, without a change every twenty seconds', async () => {
  const one = new Reporter()
  await one.run(41)
  const rest = one.times()
  expect(rest[0]).toBe(0)
  expect(rest).toHaveLength(3)
  one.is({ cameras: [camera({})] })
  await one.run(1)
  expect(one.times()).toHaveLength(1)
  one.is({ cameras: [camera({ viewers: 1 })] })
  await one.run(1)
  expect(one.times()).toHaveLength(1)
  one.end()
})

test('a recording that grows is told every two seconds, to its end; the rate of a camera and free bytes every ten', async () => {
  const one = new Reporter()
  for (let tenth = 0; tenth < 100; tenth++) {
    one.is({ captures: [capture(tenth * 100)] })
    await one.run(0.1)
  }
  expect(one.got.length).toBeGreaterThanOrEqual(4)
  expect(one.got.length).toBeLessThanOrEqual(6)
  await one.run(3)
  expect(one.got.at(-1)?.report.captures[0]?.recordedMs).toBe(9_900)
  one.times()
  for (let second = 0; second < 60; second++) {
    one.is({ cameras: [camera({ fps: 29 + (second % 2), nextFragment: second })], store: { ...QUIET.store, diskFreeBytes: second } })
    await one.run(1)
  }
  expect(one.times().length).toBeLessThanOrEqual(7)
  one.end()
})
