import type { KeyPair } from '@thatdam/control/keys'
import { verifySignature } from '@thatdam/control/keys'
import { planBodyHash } from '@thatdam/plan/body-hash'
import type { PlannedNode } from '@thatdam/plan/roster-view'
import { synthesise } from '@thatdam/plan/synthesis/synthesise'
import type { NodeFacts } from '@thatdam/protocol/facts'
import { SignedPlan, type PlanBody, type Term } from '@thatdam/protocol/plan'
import { DEFAULT_POLICY, type NodeSettings } from '@thatdam/protocol/settings'
import { readJson } from '@thatdam/store/durable'
import type { Ring } from '../state/ring.ts'

/** The ring as this node's planner sees it. It knows only its own facts in this version, so other members wait for the membership. */
export function ringView(ring: Ring, nodeId: string, facts: NodeFacts, settings: NodeSettings): PlannedNode[] {
  const member = ring.roster.members.get(nodeId)
  if (!member) return []
  const { publicKey, bootCounter } = member
  return [{ nodeId, publicKey, facts: { ...facts, indexPaths: settings.indexPaths }, settings, bootCounter, alive: true }]
}

/** This node's part of the ring's layout, and what the owner should know about it. */
export function planFor(
  nodeId: string,
  ring: { clusterId: string; nodes: readonly PlannedNode[]; leader: string | null },
): { body: PlanBody; warnings: string[] } {
  const result = synthesise({ ...ring, policy: DEFAULT_POLICY })
  const body = result.plans.get(nodeId)
  if (!body) throw new Error(`the synthesis gave no plan for ${nodeId}`)
  return { body, warnings: result.warnings.map((warning) => warning.sentence) }
}

export function signPlan(key: KeyPair, body: PlanBody, term: Term, revision: number): SignedPlan {
  const signed = { term, revision, bodyHash: planBodyHash(body), issuer: key.publicKey }
  return { envelope: { version: 1, ...signed, signature: key.sign('thatdam-plan-v1', signed) }, body }
}

/** Null when it is missing. @throws when it is damaged: not JSON, another shape, another body than was signed, a foreign signature. */
export async function readPlan(path: string, publicKey: string): Promise<SignedPlan | null> {
  const plan = await readJson(path, SignedPlan)
  if (plan === null) return null
  const { version: _version, signature, ...signed } = plan.envelope
  const sound =
    signed.bodyHash === planBodyHash(plan.body) &&
    signed.issuer === publicKey &&
    verifySignature('thatdam-plan-v1', signed, signature, publicKey)
  if (!sound) throw new Error('its signature or hash does not fit its content')
  return plan
}
