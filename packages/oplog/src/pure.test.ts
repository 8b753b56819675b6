import { sha256 } from '@noble/hashes/sha2.js'
import { bytesToHex, concatBytes, hexToBytes, utf8ToBytes } from '@noble/hashes/utils.js'
import { canonicalJson } from '@thatdam/protocol/canonical'
import { Hlc } from '@thatdam/protocol/ops'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { addEdits, EMPTY_REGISTER, type FieldEdit, readRegister } from './fields.ts'
import { formatHlc, FUTURE_MS_MAX, HLC_ZERO, type HlcState, isFuture, parseHlc, receive, tick } from './hlc.ts'
import { inclusionProof, leafHash, merkleRoot, verifyInclusion } from './merkle.ts'
import { opIdFrom } from './op-id.ts'

const stamp = fc.record({
  ms: fc.integer({ min: 0, max: 9_999_999_999_999 }),
  counter: fc.integer({ min: 0, max: 999_999 }),
  nodeId: fc.stringMatching(/^[a-z0-9][a-z0-9-]{0,10}$/),
})

const keyOf = (one: FieldEdit): string => `${one.hlc} ${canonicalJson(one)}`
const replacesEdit = (next: FieldEdit, id: string): boolean => next.replaces === id || (next.alsoReplaces ?? []).includes(id)
const order = (a: FieldEdit, b: FieldEdit): number => (`${b.hlc} ${b.id}` < `${a.hlc} ${a.id}` ? -1 : 1)
const stampAt = (ms: number, node: string): string => formatHlc({ ms, counter: 0, nodeId: node })

describe('hybrid logical clock', () => {
  test('text compares as (time, counter, node) do, and reads back', () => {
    fc.assert(
      fc.property(stamp, stamp, (a, b) => {
        expect(parseHlc(formatHlc(a))).toEqual(a)
        expect(Hlc.safeParse(formatHlc(a)).success).toBe(true)
        const byParts = a.ms - b.ms || a.counter - b.counter || (a.nodeId === b.nodeId ? 0 : a.nodeId < b.nodeId ? -1 : 1)
        const text = formatHlc(a) === formatHlc(b) ? 0 : formatHlc(a) < formatHlc(b) ? -1 : 1
        expect(Math.sign(text)).toBe(Math.sign(byParts))
      }),
    )
  })

  test('whatever the clock does and whatever arrives, each new stamp is above all given and merged before', () => {
    const event = fc.record({ now: fc.integer({ min: 0, max: 3_000_000 }), remote: fc.option(fc.integer({ min: 0, max: 3_000_000 })) })
    fc.assert(
      fc.property(fc.array(event, { maxLength: 60 }), (events) => {
        let state: HlcState = HLC_ZERO
        let highest = ''
        for (const { now, remote } of events) {
          if (remote !== null) {
            const text = formatHlc({ ms: remote, counter: remote % 1000, nodeId: 'other' })
            const taken = receive(state, text, now)
            expect(taken.verdict).toBe(remote > now + FUTURE_MS_MAX ? 'future' : 'merged')
            if (taken.verdict === 'future') expect(taken.state).toBe(state)
            else if (text > highest) highest = text
            state = taken.state
          }
          const given = tick(state, now, 'me')
          state = given.state
          // Same time and counter compare by node, so compare what must differ: time and counter.
          expect(given.stamp.slice(0, 20) > highest.slice(0, 20)).toBe(true)
          highest = given.stamp
        }
      }),
    )
  })

  test('a full counter goes on in the next millisecond', () => {
    expect(tick({ ms: 5, counter: 999_999 }, 5, 'a').stamp).toBe('0000000000006-000000-a')
  })

  test('60 s ahead is merged, a millisecond more is the future', () => {
    const text = formatHlc({ ms: 100_000, counter: 0, nodeId: 'a' })
    expect([isFuture(text, 40_000), isFuture(text, 39_999)]).toEqual([false, true])
  })

  test('what is no stamp is refused', () => {
    for (const text of ['', 'x', '0000000000001-000000-', '0000000000001-00000-a', '0000000000001-000000-A']) {
      expect(() => parseHlc(text)).toThrow(RangeError)
    }
    expect(() => formatHlc({ ms: 10_000_000_000_000, counter: 0, nodeId: 'a' })).toThrow(RangeError)
    expect(opIdFrom(new Uint8Array(16).fill(10))).toBe('0a'.repeat(16))
    expect(() => opIdFrom(new Uint8Array(15))).toThrow(RangeError)
  })
})

const leavesOf = (count: number): Uint8Array[] => Array.from({ length: count }, (_, index) => leafHash(`leaf ${index}`))
/** RFC 6962 read literally, slices and all. */
const dumbRoot = (leaves: Uint8Array[]): Uint8Array => {
  if (leaves.length === 1) return leaves[0] as Uint8Array
  const split = 2 ** Math.ceil(Math.log2(leaves.length) - 1)
  return sha256(concatBytes(Uint8Array.of(1), dumbRoot(leaves.slice(0, split)), dumbRoot(leaves.slice(split))))
}

describe('Merkle tree', () => {
  test('roots of RFC 6962: known vectors of certificate-transparency', () => {
    const inputs = ['', '00', '10', '2021', '3031', '40414243', '5051525354555657', '606162636465666768696a6b6c6d6e6f']
    const leaves = inputs.map((hex) => sha256(concatBytes(Uint8Array.of(0), hexToBytes(hex))))
    const roots = [1, 2, 3, 4, 5, 6, 7, 8].map((count) => merkleRoot(leaves.slice(0, count)))
    expect(roots[0]).toBe('6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d')
    expect(roots[1]).toBe('fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125')
    expect(roots[2]).toBe('aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77')
    expect(roots[6]).toBe('ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c')
    expect(roots[7]).toBe('5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328')
  })

  test('every leaf of every tree up to 70 leaves, and of one of 1024, proves itself and nothing else', () => {
    for (const count of [...Array.from({ length: 70 }, (_, index) => index + 1), 1024]) {
      const leaves = leavesOf(count)
      const root = merkleRoot(leaves)
      expect(root).toBe(bytesToHex(dumbRoot(leaves)))
      for (let index = 0; index < count; index += count === 1024 ? 97 : 1) {
        const proof = inclusionProof(leaves, index)
        const leaf = leaves[index] as Uint8Array
        expect(verifyInclusion(leaf, { index, count }, proof, root)).toBe(true)
        expect(verifyInclusion(leafHash('another'), { index, count }, proof, root)).toBe(false)
        if (count > 1) expect(verifyInclusion(leaf, { index: (index + 1) % count, count }, proof, root)).toBe(false)
        expect(verifyInclusion(leaf, { index, count }, [...proof, root], root)).toBe(false)
        if (count > 1) expect(verifyInclusion(leaf, { index, count }, proof.slice(1), root)).toBe(false)
      }
    }
  })

  test('malformed proofs are false, never an error', () => {
    const leaf = leafHash('x')
    for (const proof of [['zz'], [''], ['0'.repeat(63)]]) expect(verifyInclusion(leaf, { index: 0, count: 2 }, proof, 'x')).toBe(false)
    for (const at of [
      { index: -1, count: 2 },
      { index: 2, count: 2 },
      { index: 0.5, count: 2 },
    ]) {
      expect(verifyInclusion(leaf, at, [], bytesToHex(leaf))).toBe(false)
    }
    expect(() => merkleRoot([])).toThrow(RangeError)
    expect(() => inclusionProof([leaf], 1)).toThrow(RangeError)
    expect(bytesToHex(leafHash(''))).toBe(bytesToHex(sha256(concatBytes(Uint8Array.of(0), utf8ToBytes('')))))
  })
})

/** The definition, word for word, over all pairs. */
function dumb(edits: FieldEdit[]): { winner: FieldEdit | null; conflicts: FieldEdit[] } {
  const kept = edits.filter((one) => !edits.some((other) => other.id === one.id && keyOf(other) < keyOf(one)))
  const unique = kept.filter((one, index) => kept.findIndex((other) => other.id === one.id) === index)
  const winner = unique.toSorted(order)[0] ?? null
  const isAncestor = (old: FieldEdit, of: FieldEdit, steps: number): boolean =>
    steps > 0 && (old.id === of.id || unique.some((next) => replacesEdit(of, next.id) && isAncestor(old, next, steps - 1)))
  const conflicts = unique.filter(
    (one) => !unique.some((next) => next.id !== one.id && replacesEdit(next, one.id)) && winner !== null && !isAncestor(one, winner, 10),
  )
  return { winner, conflicts: conflicts.toSorted(order) }
}

describe('fields', () => {
  const ids = Array.from({ length: 8 }, (_, index) => String(index).repeat(32))
  const edit: fc.Arbitrary<FieldEdit> = fc.record({
    id: fc.constantFrom(...ids),
    hlc: fc.integer({ min: 0, max: 12 }).map((ms) => formatHlc({ ms, counter: 0, nodeId: 'a' })),
    value: fc.constantFrom('red', 'green', 'blue'),
    replaces: fc.option(fc.constantFrom(...ids)),
    alsoReplaces: fc.option(fc.array(fc.constantFrom(...ids), { maxLength: 2 }), { nil: undefined, freq: 3 }),
  })

  test('equal to the dumb twin, in any order, with repeats, in any parts', () => {
    fc.assert(
      fc.property(fc.array(edit, { maxLength: 14 }), fc.integer({ min: 0, max: 14 }), fc.infiniteStream(fc.nat()), (edits, cut, draws) => {
        const expected = dumb(edits)
        const shuffled = edits
          .map((one) => ({ one, draw: draws.next().value as number }))
          .toSorted((a, b) => a.draw - b.draw)
          .map(({ one }) => one)
        const parts = addEdits(addEdits(EMPTY_REGISTER, shuffled.slice(0, cut)), shuffled.slice(cut))
        expect(readRegister(addEdits(EMPTY_REGISTER, edits))).toEqual(expected)
        expect(readRegister(addEdits(parts, edits))).toEqual(expected)
      }),
      { numRuns: 1000 },
    )
  })

  test('a forger’s two texts of one edit, one with an empty list and one with none: the same one is kept everywhere', () => {
    const bare: FieldEdit = { id: 'a'.repeat(32), hlc: stampAt(1, 'pi'), value: 'Holiday', replaces: null }
    const empty: FieldEdit = { ...bare, alsoReplaces: [] }
    const one = readRegister(addEdits(EMPTY_REGISTER, [bare, empty]))
    expect(readRegister(addEdits(EMPTY_REGISTER, [empty, bare]))).toStrictEqual(one)
  })

  test('a rename that saw the other replaces it; two that did not are a conflict, settled by the next', () => {
    const first: FieldEdit = { id: 'a'.repeat(32), hlc: stampAt(1, 'pi'), value: 'Holiday', replaces: null }
    const onPi: FieldEdit = { id: 'b'.repeat(32), hlc: stampAt(2, 'pi'), value: 'Crete', replaces: first.id }
    const onWin: FieldEdit = { id: 'c'.repeat(32), hlc: stampAt(3, 'win'), value: 'Greece', replaces: first.id }
    const settled: FieldEdit = { id: 'd'.repeat(32), hlc: stampAt(4, 'pi'), value: 'Crete 2026', replaces: onWin.id }
    expect(readRegister(addEdits(EMPTY_REGISTER, [onPi, first]))).toEqual({ winner: onPi, conflicts: [] })
    const cutOff = addEdits(EMPTY_REGISTER, [onWin, first, onPi])
    expect(readRegister(cutOff)).toEqual({ winner: onWin, conflicts: [onPi] })
    expect(readRegister(addEdits(cutOff, [settled]))).toEqual({ winner: settled, conflicts: [onPi] })
    const chosen: FieldEdit = { ...settled, alsoReplaces: [onPi.id] }
    expect(readRegister(addEdits(cutOff, [chosen]))).toEqual({ winner: chosen, conflicts: [] })
  })
})
