import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { capacityOf, capacityWarnings } from './capacity.ts'
import type { WorkNode } from './contract.ts'
import { isFullSpeed, localMinute, nextChangeMs } from './quiet-hours.ts'

const NIGHT = { from: '22:00', to: '07:00' }
const at = (hour: number, minute = 0): number => hour * 60 + minute
const MINUTE_MS = 60_000

describe('quiet hours', () => {
  test('over midnight, and within a day; the end is not part of it', () => {
    expect([at(21, 59), at(22), at(0), at(6, 59), at(7), at(12)].map((minute) => isFullSpeed(NIGHT, minute))).toEqual([
      false,
      true,
      true,
      true,
      false,
      false,
    ])
    const noon = { from: '12:00', to: '13:30' }
    expect([at(11, 59), at(12), at(13, 29), at(13, 30)].map((minute) => isFullSpeed(noon, minute))).toEqual([false, true, true, false])
  })

  test.each([null, { from: '22:00', to: '22:00' }, { from: '24:00', to: '07:00' }, { from: 'late', to: '' }])(
    '%j: always full speed',
    (hours) => {
      expect(isFullSpeed(hours, at(3))).toBe(true)
      expect(nextChangeMs(hours, 0, 0)).toBe(Infinity)
    },
  )

  test('local time: the same instant is night in Berlin and afternoon in California', () => {
    const nowMs = Date.UTC(2026, 6, 1, 21, 30)
    expect(localMinute(nowMs, 120)).toBe(at(23, 30))
    expect(localMinute(nowMs, -420)).toBe(at(14, 30))
    expect(localMinute(nowMs, -1_440)).toBe(at(21, 30))
  })

  test('the next change is the first minute that differs', () => {
    const time = fc
      .record({ hour: fc.nat(23), minute: fc.nat(59) })
      .map(({ hour, minute }) => [hour, minute].map((each) => String(each).padStart(2, '0')).join(':'))
    fc.assert(
      fc.property(time, time, fc.nat(10_000_000), fc.integer({ min: -840, max: 840 }), (from, to, now, offset) => {
        fc.pre(from !== to)
        const nowMs = now * 1_000
        const hours = { from, to }
        const isFull = (ms: number): boolean => isFullSpeed(hours, localMinute(ms, offset))
        const nextMs = nextChangeMs(hours, nowMs, offset)
        expect(nextMs).toBeGreaterThan(nowMs)
        expect(isFull(nextMs)).toBe(!isFull(nowMs))
        expect(isFull(nextMs - 1)).toBe(isFull(nowMs))
        expect(nextMs - nowMs).toBeLessThanOrEqual(1_440 * MINUTE_MS)
      }),
    )
  })
})

const editor: WorkNode = {
  nodeId: 'win11-editor',
  cpuCores: 16,
  quotas: { maxDerives: 8, maxTranscodes: 2, maxIntel: 2, cpuReservePercent: 30, quietHours: NIGHT },
  utcOffsetMinutes: 0,
  isTaking: true,
}

describe('capacity', () => {
  test('30 % of 16 cores stay with the person; by day the machine is gentle', () => {
    expect(capacityOf(editor, at(23) * MINUTE_MS)).toEqual({
      jobs: 11,
      pools: { derive: 8, transcode: 2, intel: 2, light: 2 },
      takesExternal: true,
    })
    expect(capacityOf(editor, at(12) * MINUTE_MS)).toEqual({
      jobs: 5,
      pools: { derive: 8, transcode: 1, intel: 1, light: 2 },
      takesExternal: false,
    })
  })

  test('half of a Pi with a desktop stays with the person; the smallest machine still does one thing', () => {
    const quotas = { ...editor.quotas, quietHours: null }
    expect(capacityOf({ ...editor, cpuCores: 4, quotas: { ...quotas, cpuReservePercent: 50 } }, 0).jobs).toBe(2)
    expect(capacityOf({ ...editor, cpuCores: 1, quotas: { ...quotas, cpuReservePercent: 90 } }, 0).jobs).toBe(1)
  })

  test('a machine that stops takes nothing', () => {
    expect(capacityOf({ ...editor, isTaking: false }, 0).jobs).toBe(0)
  })

  test('figures that no machine has are counted as the nearest possible, and its owner is told which', () => {
    const absurd: WorkNode = {
      ...editor,
      cpuCores: NaN,
      quotas: { maxDerives: 1e9, maxTranscodes: -3, maxIntel: Infinity, cpuReservePercent: 200, quietHours: null },
    }
    expect(capacityOf(absurd, 0)).toEqual({ jobs: 1, pools: { derive: 64, transcode: 0, intel: 64, light: 2 }, takesExternal: true })
    expect(capacityWarnings(absurd)).toEqual([
      'win11-editor reports cpuCores NaN; it is counted as 1.',
      'win11-editor reports quotas.cpuReservePercent 200; it is counted as 90.',
      'win11-editor reports quotas.maxDerives 1000000000; it is counted as 64.',
      'win11-editor reports quotas.maxTranscodes -3; it is counted as 0.',
      'win11-editor reports quotas.maxIntel Infinity; it is counted as 64.',
    ])
    expect(capacityWarnings(editor)).toEqual([])
  })
})
