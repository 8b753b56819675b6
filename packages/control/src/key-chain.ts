import { REKEYS_MAX, type RosterRecord } from '@thatdam/protocol/roster'
import { type VerifyRoster, verifyRecord } from './roster.ts'

/**
 * The keys that a machine had before this one, as far as records show that each introduced the next, newest first. For those who know the machine
 * by one of them: whoever proves `publicKey` is it. What else the records say is not looked at.
 * @returns at most REKEYS_MAX.
 */
export function formerKeys(
  records: readonly RosterRecord[],
  { nodeId, publicKey, verify }: { nodeId: string; publicKey: string; verify: VerifyRoster },
): string[] {
  const chain: string[] = []
  for (let newKey: string | undefined = publicKey; newKey !== undefined && chain.length < REKEYS_MAX;) {
    newKey = introducer(records, { nodeId, newKey, verify })
    if (newKey === undefined || newKey === publicKey || chain.includes(newKey)) break
    chain.push(newKey)
  }
  return chain
}

/** A key that the owner's recovery key introduced comes from none that spoke for itself: the roster's door judges that, and not this. */
function introducer(
  records: readonly RosterRecord[],
  { nodeId, newKey, verify }: { nodeId: string; newKey: string; verify: VerifyRoster },
): string | undefined {
  const names = ({ body, signer }: RosterRecord): boolean =>
    body.kind === 'rekey' && body.nodeId === nodeId && body.newKey === newKey && body.oldKey === signer
  return records.find((record) => names(record) && verifyRecord(record, verify))?.signer
}
