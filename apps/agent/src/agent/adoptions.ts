import { readJson } from '@thatdam/control/http-io'
import { ThatdamError } from '@thatdam/protocol/errors'
import type { LocalRing } from '@thatdam/protocol/local'
import { DOOR_WAITING_MAX, MemberAdoption, type MemberDoor } from '@thatdam/protocol/member'
import { ADOPTIONS_MAX, type Adoption } from '@thatdam/protocol/ring-door'
import { json, type NodeRoute } from '../link/server.ts'
import type { Loops } from '../loops/supervisor.ts'
import { parseBody } from '../ring/body.ts'
import { AdoptAsker, type AdoptAskerPorts } from './adopt-asker.ts'
import { AdoptDoor, type AdoptDoorPorts } from './adopt-door.ts'
import { isUnderWay } from './adopt-views.ts'
import { MemberDoors } from './member-doors.ts'
import type { RingHost } from './ring-host.ts'
import type { RingWork } from './ring-work.ts'

const ORDER_BYTES_MAX = 8 * 1024
const WAITING_MAX = 64

/** `changed`: what is told here has changed. */
export interface AdoptionsPorts extends Omit<AdoptDoorPorts, 'host'>, Pick<AdoptAskerPorts, 'self' | 'hostname'> {
  readonly work: Pick<RingWork, 'waitingNear' | 'orders' | 'reportsOfAwake'> & { readonly host: Pick<RingHost, 'store' | 'part' | 'adopt'> }
}

/**
 * Letting machines in, and being let in, by six digits: this node is on the one side or the other, by whether somebody owns it. Where it leads, it also
 * shows who waits at other members' doors, and takes the owner's word there.
 */
export class Adoptions {
  private readonly door: AdoptDoor
  private readonly asker: AdoptAsker
  private readonly elsewhere: MemberDoors
  private readonly work: AdoptionsPorts['work']
  private readonly changed: () => void
  private lastTold = ''

  constructor(ports: AdoptionsPorts) {
    this.changed = ports.changed
    this.work = ports.work
    const changed = () => this.tell()
    const { self, hostname, log, claimed, identity, work } = ports
    const { host } = work
    this.door = new AdoptDoor({ host, identity, log, claimed, changed })
    this.elsewhere = new MemberDoors({
      reports: () => (host.part.leader()?.nodeId === identity.nodeId ? work.reportsOfAwake() : []),
      member: (nodeId) => host.store.member(nodeId),
    })
    this.asker = new AdoptAsker({
      near: () => host.part.discovery.sightings(),
      fingerprint: () => host.store.fingerprint,
      client: () => host.part.client,
      adopt: (records) => host.adopt(records),
      self,
      hostname,
      log,
      claimed,
      changed,
    })
  }

  /** Of the node API. */
  routes(): NodeRoute[] {
    return [
      ...this.door.routes(),
      {
        method: 'POST',
        path: '/v1/adoptions',
        run: async (call) => {
          const { term, said } = parseBody(MemberAdoption, await readJson(call.request, ORDER_BYTES_MAX))
          const { nodeId, admitter } = this.work.orders.obey(call, term)
          if (!admitter) throw new ThatdamError('FORBIDDEN', `${nodeId} leads this ring, and may not let others in.`)
          return json(said.word === 'open' ? await this.door.letIn(said.publicKey) : await this.door.say(said.word, said.id))
        },
      },
    ]
  }

  startLoops(loops: Loops): void {
    loops.start('asking to be let in', (signal) => this.asker.run(signal))
  }

  /** Those under way first. */
  list(): Adoption[] {
    const own = [...this.asker.list(), ...this.door.list()]
    const all = [...own, ...this.elsewhere.adoptions().filter(({ id }) => !own.some((one) => one.id === id))]
    return all.toSorted((a, b) => Number(isUnderWay(b)) - Number(isUnderWay(a))).slice(0, ADOPTIONS_MAX)
  }

  /** Machines near that nobody owns: those that this one hears, then those that other members told of. */
  waiting(): LocalRing['waiting'] {
    const known = new Map(this.work.waitingNear().map((one) => [one.publicKey, one]))
    for (const one of this.elsewhere.waiting()) if (!known.has(one.publicKey)) known.set(one.publicKey, one)
    return [...known.values()].slice(0, WAITING_MAX)
  }

  /** For the leader's console; those that ask here first. */
  told(): MemberDoor {
    const nowMs = Date.now()
    const asking = this.door.asking()
    const keys = new Set(asking.map(({ publicKey }) => publicKey))
    const heard = this.work.waitingNear().filter(({ publicKey }) => !keys.has(publicKey))
    const waiting = [
      ...asking.map((one) => ({ ...one, asks: true })),
      ...heard.map(({ heardAtMs, ...one }) => ({ ...one, heardAgoMs: Math.max(0, nowMs - heardAtMs), asks: false })),
    ]
    return { waiting: waiting.slice(0, DOOR_WAITING_MAX), adoptions: this.door.list().slice(0, ADOPTIONS_MAX) }
  }

  /** @throws ThatdamError as `AdoptDoor.letIn`. */
  async letIn(publicKey: string): Promise<Adoption> {
    const nodeId = this.deskOf(publicKey)
    return await (nodeId === null ? this.door.letIn(publicKey) : this.work.orders.adopt(nodeId, { word: 'open', publicKey }))
  }

  /** @throws ThatdamError NOT_FOUND; CONFLICT when it is too late. */
  async answer(id: string, word: 'confirm' | 'cancel'): Promise<Adoption> {
    if (this.asker.has(id)) return this.asker.say(word, id)
    if (this.door.has(id)) return await this.door.say(word, id)
    const nodeId = this.elsewhere.holderOf(id)
    if (nodeId !== null) return await this.work.orders.adopt(nodeId, { word, id })
    throw new ThatdamError('NOT_FOUND', 'Nobody waits under this name any more. Look at what the list says now.')
  }

  /**
   * Where a machine waits, or comes in a moment: node id of another member; null: here.
   * @throws ThatdamError CONFLICT when only members hear it that may let nobody in.
   */
  private deskOf(publicKey: string): string | null {
    const isIt = (one: { publicKey: string }): boolean => one.publicKey === publicKey
    if (this.door.asking().some(isIt)) return null
    const asked = this.elsewhere.askedBy(publicKey)
    if (asked !== null || this.work.waitingNear().some(isIt)) return asked
    const heard = this.elsewhere.heardBy(publicKey)
    if (heard === null || heard.mayLetIn) return heard?.nodeId ?? null
    throw new ThatdamError(
      'CONFLICT',
      `Only ${heard.nodeId} hears this machine, and it may not let others in. Bring the machine into one network with this one, or let it in by a join token.`,
    )
  }

  private tell(): void {
    const now = this.list().map(({ id, state, code, reason, attemptsLeft }) => [id, state, code, reason, attemptsLeft])
    const text = JSON.stringify([now, this.door.asking().map(({ publicKey }) => publicKey)])
    if (text === this.lastTold) return
    this.lastTold = text
    this.changed()
  }
}
