import type { MeetContext } from '@thatdam/control/ring-meet'
import { recordHash } from '@thatdam/control/roster'
import type { LocalState } from '@thatdam/protocol/local'
import type { NewRecoveryKey, UsedRecoveryKey } from '@thatdam/protocol/ring-door'
import type { OwnerProof } from '@thatdam/protocol/ring-meet'
import type { CloudLink } from '../agent/cloud-link.ts'
import type { RingHost } from '../agent/ring-host.ts'
import type { NodeRoute } from '../link/server.ts'
import type { Log } from '../log.ts'
import type { Loops } from '../loops/supervisor.ts'
import type { Identity } from '../state/identity.ts'
import type { Formers } from './formers.ts'
import { MeetDoor } from './meet-door.ts'
import { OwnerKey } from './owner-key.ts'
import type { OwnerProofs } from './owner-proofs.ts'
import { RingSeeker } from './ring-seeker.ts'
import { RingShare } from './ring-share.ts'

export interface MeetPorts {
  readonly host: RingHost
  readonly identity: Identity
  readonly formers: Formers
  readonly proofs: OwnerProofs
  readonly cloud: () => CloudLink['standing']
  readonly claimed: () => boolean
  /** Id of the ring that goes on when two of the owner's meet, by their word; null: they did not say. */
  readonly goesOn: () => string | null
  readonly log: Log
  /** What is told of rings near has changed. */
  readonly changed: () => void
}

/** Two rings of one owner that find each other become one. */
export class Meet {
  private readonly ports: MeetPorts
  private readonly door: MeetDoor
  private readonly seeker: RingSeeker
  private readonly share: RingShare
  private readonly key: OwnerKey
  private wasChosen = false

  constructor(ports: MeetPorts) {
    this.ports = ports
    const own = () => this.own()
    this.door = new MeetDoor({ ...ports, own, onNews: (publicKey) => this.seeker.called(publicKey) })
    this.seeker = new RingSeeker({ ...ports, own })
    this.share = new RingShare({ ...ports, proved: () => this.seeker.wake() })
    this.key = new OwnerKey({ ...ports, changed: () => this.seeker.wake() })
  }

  /** Of the node API. */
  routes(): NodeRoute[] {
    return this.door.routes()
  }

  startLoops(loops: Loops): void {
    loops.start('meeting other rings', (signal) => this.seeker.run(signal))
    loops.start('what is known of former rings', (signal) => this.share.run(signal))
  }

  /** The roster, who is awake, or who leads has changed. */
  ringChanged(): void {
    this.share.ringChanged()
  }

  /** What the ring shares has changed: the owner may have said whether it goes on. */
  wishesChanged(): void {
    const isChosen = this.isChosen()
    if (isChosen === this.wasChosen) return
    this.wasChosen = isChosen
    this.seeker.wake()
  }

  fateOf(fingerprint: string): Pick<LocalState['ring']['others'][number], 'fate' | 'reason'> {
    return this.seeker.fateOf(fingerprint)
  }

  /** @throws ThatdamError as `RingSeeker.consent`. */
  goOver(fingerprint: string): Promise<void> {
    return this.seeker.consent(fingerprint)
  }

  /** @throws ThatdamError as `OwnerKey.make`. */
  makeRecoveryKey(): Promise<NewRecoveryKey> {
    return this.key.make()
  }

  /** @throws ThatdamError as `OwnerKey.use`. */
  useRecoveryKey(words: string): Promise<UsedRecoveryKey> {
    return this.key.use(words)
  }

  private isChosen(): boolean {
    const { host, goesOn } = this.ports
    return goesOn() === host.store.clusterId
  }

  private own(): MeetContext['own'] {
    const { host, proofs, cloud, claimed } = this.ports
    const standing = cloud()
    const place = standing?.place ?? null
    const placed: OwnerProof[] =
      standing === null || place === null
        ? []
        : [{ kind: 'organisation', instanceKey: standing.instanceKey, organisationId: standing.organisationId, place }]
    return {
      cloud: standing,
      isClaimed: claimed(),
      isCloudPaired: place !== null && recordHash(place.genesis.body) === host.store.fingerprint,
      isChosen: this.isChosen(),
      proofs: [...proofs.of(host.store.roster), ...placed],
    }
  }
}
