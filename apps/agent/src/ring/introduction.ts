import { readJson } from '@thatdam/control/http-io'
import { formerKeys } from '@thatdam/control/key-chain'
import { verifySignature } from '@thatdam/control/keys'
import type { Member } from '@thatdam/control/roster'
import { Buckets } from '@thatdam/discovery/rates'
import { ThatdamError } from '@thatdam/protocol/errors'
import { KEY_RECORDS_MAX, KeyIntroduction } from '@thatdam/protocol/node-link'
import type { RosterRecord } from '@thatdam/protocol/roster'
import { holderOf } from '../fair-sockets.ts'
import type { NodeClient } from '../link/client.ts'
import type { NodeCall, NodeRoute } from '../link/server.ts'
import type { Log } from '../log.ts'
import { parseBody } from './body.ts'
import type { RosterStore } from './roster-store.ts'

const SHOW_MS_MAX = 5_000
const BODY_BYTES_MAX = 128 * 1024
/** Of one address: looking at records costs signatures. */
const SHOWN = { perSecond: 0.2, burst: 5, keysMax: 256 }

const REFUSED =
  'If it was taken out of the ring, it hears of that next. If this disk is a copy, or was put back from a backup, the ring knows a newer key: take the machine out of the ring in the console of another one, then let it in again.'

export interface IntroductionPorts {
  readonly nodeId: string
  readonly store: RosterStore
  readonly client: () => NodeClient
  readonly log: Log
  /** For the log, and for the owner to see. */
  readonly notice: (sentence: string) => void
}

/**
 * A machine that replaced its key while another was away is a stranger to that one: it shows it the records by which its old key introduced the
 * new one. They prove themselves, and the connection proves that the shower has the new key, so that this needs nobody else.
 */
export class Introduction {
  private readonly ports: IntroductionPorts
  private readonly shown = new Buckets(SHOWN)
  private isTold = false

  constructor(ports: IntroductionPorts) {
    this.ports = ports
  }

  /**
   * To a member that refused this machine as a stranger.
   * @returns false: there is nothing to show, or it does not count there.
   */
  async to({ nodeId, publicKey }: Member): Promise<boolean> {
    const { store, notice, client } = this.ports
    const records = this.own().slice(-KEY_RECORDS_MAX)
    const body: KeyIntroduction = { fingerprint: store.fingerprint, nodeId: this.ports.nodeId, records }
    const request = { publicKey, method: 'POST', path: '/v1/key', body, timeoutMs: SHOW_MS_MAX } as const
    if (
      records.length > 0 &&
      (await client()
        .call(request)
        .then(() => true, mustBeRefusal))
    )
      return true
    if (!this.isTold) notice(`${nodeId} refuses this machine’s key. ${REFUSED}`)
    this.isTold = true
    return false
  }

  route(): NodeRoute {
    return {
      method: 'POST',
      path: '/v1/key',
      open: true,
      run: async (call) => {
        await this.hear(call, parseBody(KeyIntroduction, await readJson(call.request, BODY_BYTES_MAX)))
        return { status: 204, body: null }
      },
    }
  }

  private async hear({ peer, address }: NodeCall, { fingerprint, nodeId, records }: KeyIntroduction): Promise<void> {
    const { store, log } = this.ports
    const member = store.member(nodeId)
    const stranger = new ThatdamError('UNAUTHENTICATED', 'Not a member of this ring.')
    if (peer === null || member === null || fingerprint !== store.fingerprint) throw stranger
    if (member.keys.includes(peer.publicKey)) return
    if (!this.shown.take(holderOf(address), performance.now())) {
      throw new ThatdamError('TOO_MANY_REQUESTS', 'Too many keys were shown from this address. Try again in a minute.')
    }
    const keys = formerKeys(records, { nodeId, publicKey: peer.publicKey, verify: verifySignature })
    if (!keys.some((key) => member.keys.includes(key))) throw stranger
    await store.merge(records.filter((record) => isOf(nodeId, record)))
    if (store.memberByKey(peer.publicKey)?.nodeId !== nodeId) throw stranger
    log.info(`${nodeId} has replaced its key: from here on it comes with the new one`)
  }

  private own(): RosterRecord[] {
    const { store, nodeId } = this.ports
    return store.later().filter((record) => isOf(nodeId, record))
  }
}

/** The other one has looked, and does not take it. @throws what else went wrong. */
function mustBeRefusal(error: unknown): false {
  if (error instanceof ThatdamError && error.code === 'UNAUTHENTICATED') return false
  throw error
}

const isOf = (nodeId: string, { body }: RosterRecord): boolean =>
  (body.kind === 'rekey' || body.kind === 'key-use') && body.nodeId === nodeId
