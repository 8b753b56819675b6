import { afterEach, describe, expect, test } from 'vitest'
import { cleanUp } from '../disk/testing/machine.ts'
import { areEqual, named, TestRing, title, valuesOf } from './testing/ring.ts'

afterEach(cleanUp)

const YEAR_MS = 365 * 24 * 3_600_000

describe('a machine that is not what it was', () => {
  test('restored disk, idle: what it lost comes back, it goes on under a new epoch, nothing forked', async () => {
    const ring = new TestRing()
    const [pi, win] = [ring.node('pi'), ring.node('win')]
    win.machine.log.append([{ body: title('one') }, { body: named('win', 'Desk') }])
    const image = win.machine.image()
    win.machine.log.append([{ body: title('two') }, { body: named('win', 'Attic') }])
    await ring.until(() => areEqual([pi, win]))
    const before = win.machine.log.ownLogId('ring')
    win.machine.restore(image)
    expect(valuesOf(win)).toEqual(['one', 'Desk'])
    await ring.until(() => areEqual([pi, win]))
    expect(win.machine.log.ownLogId('ring')).not.toBe(before)
    win.machine.log.append([{ body: title('three') }])
    await ring.until(() => areEqual([pi, win]))
    expect(valuesOf(pi).length).toBe(5)
    expect(win.news.map((news) => news.kind)).toEqual(['restored', 'restored'])
    expect([...pi.machine.log.forks(), ...win.machine.log.forks()]).toEqual([])
  })

  test('restored disk that was written to before it met anybody: both branches everywhere, told as a fork, nothing lost', async () => {
    const ring = new TestRing()
    const [pi, nas, win] = [ring.node('pi'), ring.node('nas'), ring.node('win')]
    win.machine.log.append([{ body: title('one') }])
    const image = win.machine.image()
    for (const value of ['two', 'three']) win.machine.log.append([{ body: title(value) }])
    await ring.until(() => areEqual([pi, nas, win]))
    win.machine.restore(image)
    win.machine.log.append([{ body: title('meanwhile') }])
    await ring.until(() => areEqual([pi, nas, win]) && valuesOf(pi).length === 4)
    expect(new Set(valuesOf(nas))).toEqual(new Set(['one', 'two', 'three', 'meanwhile']))
    for (const node of [pi, nas, win]) {
      expect(node.machine.log.forks()).toMatchObject([{ sequence: 2 }])
      expect(node.news.some((news) => news.kind === 'fork')).toBe(true)
    }
    win.machine.log.append([{ body: title('after') }])
    await ring.until(() => valuesOf(nas).includes('after'))
    expect(win.sync.status()).toMatchObject({ savedPosition: win.machine.log.position })
  })

  test('a clock a year ahead, no time server: most others say so, and its edits are written again', async () => {
    const ring = new TestRing()
    const [pi, nas, win] = [ring.node('pi'), ring.node('nas'), ring.node('win')]
    pi.machine.log.append([{ body: title('one') }])
    await ring.until(() => areEqual([pi, nas, win]))
    ring.cut(['win'], ['pi', 'nas'])
    win.machine.now += YEAR_MS
    win.machine.log.append([{ body: title('two') }])
    win.machine.log.append([{ body: title('three') }])
    win.machine.now -= YEAR_MS
    ring.heal()
    await ring.until(() => areEqual([pi, nas, win]) && valuesOf(pi).length === 3)
    expect(valuesOf(win)).toEqual(['one', 'two', 'three'])
    expect(win.news).toEqual([{ kind: 'clock-was-ahead', withdrawn: 2 }])
    expect(win.machine.log.clockMs).toBeLessThan(win.machine.now + 60_000)
    pi.machine.now += 1000
    pi.machine.log.append([{ body: title('four') }])
    await ring.until(() => valuesOf(win).at(-1) === 'four' && areEqual([pi, nas, win]))
  })

  test('all stamp two hours ahead, one then a year: only that year is taken back, and what it wrote last is still the newest', async () => {
    const ring = new TestRing()
    const nodes = [ring.node('pi'), ring.node('nas'), ring.node('win')] as const
    const [pi, nas, win] = nodes
    for (const { machine } of nodes) machine.now += 2 * 3_600_000
    for (const value of ['one', 'two', 'three']) win.machine.log.append([{ body: title(value) }])
    await ring.until(() => areEqual(nodes))
    for (const { machine } of nodes) machine.now -= 2 * 3_600_000
    ring.cut(['win'], ['pi', 'nas'])
    win.machine.now += YEAR_MS
    const [last] = win.machine.log.append([{ body: title('last') }])
    win.machine.now -= YEAR_MS
    ring.heal()
    await ring.until(() => areEqual(nodes) && valuesOf(pi).length === 4)
    expect(win.news).toEqual([{ kind: 'clock-was-ahead', withdrawn: 1 }])
    const stamps = nas.machine.log.read(0, 10).map(({ op: { hlc, id } }) => ({ hlc, id }))
    expect(stamps.toSorted((a, b) => (a.hlc < b.hlc ? -1 : 1)).at(-1)?.id).toBe(last?.id)
  })

  test('two of three stamp a year ahead and know it of each other, and no time server: the third follows, and nothing is taken back', async () => {
    const ring = new TestRing()
    const [pi, nas, win] = [ring.node('pi'), ring.node('nas'), ring.node('win')]
    ring.cut(['pi'], ['nas', 'win'])
    for (const { machine } of [nas, win]) machine.now += YEAR_MS
    for (const node of [nas, win, nas]) {
      node.machine.log.append([{ body: title(node.machine.nodeId) }])
      await ring.until(() => areEqual([nas, win]))
    }
    for (const { machine } of [nas, win]) machine.now -= YEAR_MS
    ring.heal()
    await ring.until(() => areEqual([pi, nas, win]) && valuesOf(pi).length === 3)
    expect([nas, win].flatMap((node) => node.news)).toEqual([])
    pi.machine.log.append([{ body: title('last') }])
    await ring.until(() => areEqual([pi, nas, win]) && valuesOf(win).at(-1) === 'last')
  })

  test('all clocks at 1970 after a power cut: edits go on and reach everybody, nothing is taken back', async () => {
    const ring = new TestRing()
    const nodes = [ring.node('pi'), ring.node('nas'), ring.node('win')] as const
    nodes[0].machine.log.append([{ body: title('one') }])
    await ring.until(() => areEqual(nodes))
    for (const { machine } of nodes) machine.now = 3_600_000
    for (const { machine } of nodes) machine.restart()
    for (const [index, { machine }] of nodes.entries()) machine.log.append([{ body: title(`in the dark ${index}`) }])
    await ring.until(() => areEqual(nodes))
    expect(valuesOf(nodes[1])).toHaveLength(4)
    expect(nodes.flatMap((node) => node.news)).toEqual([])
  })
})
