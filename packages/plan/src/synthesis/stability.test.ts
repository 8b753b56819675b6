import { PROFILE_NAMES } from '@thatdam/testkit/profiles/load'
import { CLUSTER_ID, machine, type Machine } from '@thatdam/testkit/profiles/machine'
import { DEFAULT_POLICY } from '@thatdam/protocol/settings'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { synthesise, type Synthesis } from './synthesise.ts'

const layoutOf = (nodes: readonly Machine[]): Synthesis => synthesise({ clusterId: CLUSTER_ID, nodes, policy: DEFAULT_POLICY })

/** `node service:mode` for all but one machine: what moved is the difference of two such sets. */
function placements(layout: Synthesis, without: string): Set<string> {
  const found = new Set<string>()
  for (const [nodeId, body] of layout.plans) {
    if (nodeId !== without) for (const { name, mode } of body.services) found.add(`${nodeId} ${name}:${mode}`)
  }
  return found
}

const arbitraryRing = fc
  .array(fc.constantFrom(...PROFILE_NAMES), { minLength: 2, maxLength: 40, size: 'max' })
  .map((profiles) => profiles.map((profile, index) => machine(profile, { nodeId: `n${index}` })))

/** The services that somebody else has to take over when this machine goes: those that nobody else has. */
function soleServices(layout: Synthesis, nodeId: string): Set<string> {
  const others = [...layout.plans].filter(([other]) => other !== nodeId).flatMap(([, body]) => body.services.map(({ name }) => name))
  const own = layout.plans.get(nodeId)?.services.map(({ name }) => name) ?? []
  return new Set(own.filter((name) => !others.includes(name)))
}

test('a machine that neither leads nor stands by comes and goes without moving anybody else, but for work that only it did', () => {
  let compared = 0
  let moved = 0
  fc.assert(
    fc.property(arbitraryRing, fc.nat(), (nodes, pick) => {
      const layout = layoutOf(nodes)
      const leaving = nodes[pick % nodes.length]
      fc.pre(
        leaving !== undefined && layout.leader !== null && leaving.nodeId !== layout.leader && !layout.standbys.includes(leaving.nodeId),
      )
      const after = layoutOf(nodes.filter((node) => node !== leaving))
      const before = placements(layout, leaving?.nodeId ?? '')
      const difference = [...before.symmetricDifference(placements(after, ''))].map((text) => text.split(' ')[1]?.split(':')[0] ?? '')
      compared++
      moved += difference.length
      const sole = soleServices(layout, leaving?.nodeId ?? '')
      // Where two kept copies, another one is worth having instead; and a ring of one or two is another ring.
      const storeNodes = [...layout.plans.values()].filter((body) => body.storage.weight > 0).length
      const isExpected = (name: string): boolean => sole.has(name) || after.plans.size <= 2 || (name === 'blob-store' && storeNodes <= 2)
      const allowed = difference.filter((name) => !isExpected(name))
      expect(allowed).toEqual([])
    }),
    { numRuns: 400 },
  )
  expect(compared).toBeGreaterThan(100)
  expect(moved / compared).toBeLessThan(0.5)
})

test('when the leader goes, its services go to one machine, and nothing but its own and the standbys’ moves', () => {
  fc.assert(
    fc.property(arbitraryRing, (nodes) => {
      const layout = layoutOf(nodes)
      fc.pre(layout.leader !== null && layout.standbys.length > 0)
      const after = layoutOf(nodes.map((node) => (node.nodeId === layout.leader ? { ...node, alive: false } : node)))
      expect(after.leader).toBe(layout.standbys[0])
      const touched = new Set([layout.leader, ...layout.standbys, after.leader, ...after.standbys])
      const others = (text: string): boolean => !touched.has(text.split(' ')[0] ?? '')
      const difference = [...placements(layout, '').symmetricDifference(placements(after, ''))].filter(others)
      // Heavy work is kept off the leader where somebody else can do it: another leader means that its work is another's.
      expect(difference.filter((text) => !/ (deriver|transcoder|intel|stream-processor|blob-store):/.test(text))).toEqual([])
    }),
    { numRuns: 300 },
  )
})
