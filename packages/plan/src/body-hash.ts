import { sha256 } from '@noble/hashes/sha2.js'
import { bytesToHex, utf8ToBytes } from '@noble/hashes/utils.js'
import { canonicalJson } from '@thatdam/protocol/canonical'
import type { Sha256Hex } from '@thatdam/protocol/ids'
import type { PlanBody } from '@thatdam/protocol/plan'

/** The name of a layout: SHA-256 of the body's canonical JSON. Equal hashes mean "the same layout". */
export const planBodyHash = (body: PlanBody): Sha256Hex => bytesToHex(sha256(utf8ToBytes(canonicalJson(body))))
