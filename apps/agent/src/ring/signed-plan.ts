import { verifySignature, type KeyPair } from '@thatdam/control/keys'
import { planBodyHash } from '@thatdam/plan/body-hash'
import { SignedPlan, type PlanBody, type Term } from '@thatdam/protocol/plan'
import { readJson } from '@thatdam/store/durable'

export function signPlan(key: KeyPair, body: PlanBody, term: Term, revision: number): SignedPlan {
  const signed = { term, revision, bodyHash: planBodyHash(body), issuer: key.publicKey }
  return { envelope: { version: 1, ...signed, signature: key.sign('thatdam-plan-v1', signed) }, body }
}

/** Whether the issuer signed this very body. Whether it may give plans is another question. */
export function isSound({ envelope, body }: SignedPlan): boolean {
  const { version: _version, signature, ...signed } = envelope
  return signed.bodyHash === planBodyHash(body) && verifySignature('thatdam-plan-v1', signed, signature, signed.issuer)
}

/** Null when it is missing. @throws when it is damaged: not JSON, another shape, another body than was signed, an issuer that `isKnown` denies. */
export async function readPlan(path: string, isKnown: (issuer: string) => boolean): Promise<SignedPlan | null> {
  const plan = await readJson(path, SignedPlan)
  if (plan === null) return null
  if (!isSound(plan) || !isKnown(plan.envelope.issuer)) throw new Error('its signature or hash does not fit its content')
  return plan
}
