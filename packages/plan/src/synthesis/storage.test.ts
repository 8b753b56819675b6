import { expect, test } from 'vitest'
import { machine } from '@thatdam/testkit/profiles/machine'
import { chooseStoreNodes, diskTotalBytes, storageWeight } from './storage.ts'

const GIB = 1024 ** 3
const chosen = (...nodes: ReturnType<typeof machine>[]) => [...chooseStoreNodes(nodes, nodes[0]?.nodeId ?? null)].toSorted()

test('a weight is the disk in GiB, at most 5 % too low, and never moves within a step', () => {
  for (let gib = 1; gib < 20_000; gib = Math.ceil(gib * 1.013)) {
    const weight = storageWeight(gib * GIB)
    expect(weight).toBeLessThanOrEqual(gib)
    expect(weight * 1.051 + 1).toBeGreaterThanOrEqual(gib)
    expect(storageWeight(weight * GIB)).toBe(weight)
  }
  expect(storageWeight(0)).toBe(1)
})

test('two roots on one file system count once', () => {
  const root = { diskTotalBytes: 100 * GIB, diskFreeBytes: 5 * GIB }
  const stores = [
    { root: '/a', ...root },
    { root: '/b', ...root },
    { root: '/c', diskTotalBytes: 7 * GIB, diskFreeBytes: 0 },
  ]
  expect(diskTotalBytes(machine('pi5-server', { facts: { stores } }))).toBe(107 * GIB)
})

test('always-on machines keep copies; others only while there are fewer than two', () => {
  const pi = machine('pi5-desktop')
  const server = machine('pi5-server')
  const editor = machine('win11-editor')
  const laptop = machine('macbook')
  expect(chosen(pi, server, editor, laptop)).toEqual(['pi5-desktop', 'pi5-server'])
  expect(chosen(pi, editor, laptop)).toEqual(['pi5-desktop', 'win11-editor'])
  expect(chosen(pi, laptop)).toEqual(['macbook', 'pi5-desktop'])
  expect(chosen(pi, machine('pizero-cam1'))).toEqual(['pi5-desktop'])
})
