import { ThatdamError } from '@thatdam/protocol/errors'
import { ADOPTIONS_MAX, type Adoption } from '@thatdam/protocol/ring-door'
import type { NodeRoute } from '../link/server.ts'
import type { Loops } from '../loops/supervisor.ts'
import { AdoptAsker, type AdoptAskerPorts } from './adopt-asker.ts'
import { AdoptDoor, type AdoptDoorPorts } from './adopt-door.ts'
import { isUnderWay } from './adopt-views.ts'
import type { RingHost } from './ring-host.ts'

/** `changed`: what `list` tells has changed. */
export interface AdoptionsPorts extends Omit<AdoptDoorPorts, 'host'>, Pick<AdoptAskerPorts, 'self' | 'hostname'> {
  readonly host: RingHost
}

/** Letting machines in, and being let in, by six digits: this node is on the one side or the other, by whether somebody owns it. */
export class Adoptions {
  private readonly door: AdoptDoor
  private readonly asker: AdoptAsker
  private readonly changed: () => void
  private told = ''

  constructor(ports: AdoptionsPorts) {
    this.changed = ports.changed
    const changed = () => this.tell()
    this.door = new AdoptDoor({ ...ports, changed })
    const { host, self, hostname, log, claimed } = ports
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
    return this.door.routes()
  }

  startLoops(loops: Loops): void {
    loops.start('asking to be let in', (signal) => this.asker.run(signal))
  }

  /** Those under way first. */
  list(): Adoption[] {
    const all = [...this.asker.list(), ...this.door.list()]
    return all.toSorted((a, b) => Number(isUnderWay(b)) - Number(isUnderWay(a))).slice(0, ADOPTIONS_MAX)
  }

  /** @throws ThatdamError as `AdoptDoor.letIn`. */
  letIn(publicKey: string): Promise<Adoption> {
    return this.door.letIn(publicKey)
  }

  /** @throws ThatdamError NOT_FOUND; CONFLICT when it is too late. */
  async answer(id: string, word: 'confirm' | 'cancel'): Promise<Adoption> {
    if (this.asker.has(id)) return this.asker.say(word, id)
    if (this.door.has(id)) return await this.door.say(word, id)
    throw new ThatdamError('NOT_FOUND', 'Nobody waits under this name any more. Look at what the list says now.')
  }

  private tell(): void {
    const now = this.list().map(({ id, state, code, reason, attemptsLeft }) => [id, state, code, reason, attemptsLeft])
    const text = JSON.stringify(now)
    if (text === this.told) return
    this.told = text
    this.changed()
  }
}
