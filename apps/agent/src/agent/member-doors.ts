import type { Member } from '@thatdam/control/roster'
import type { LocalRing } from '@thatdam/protocol/local'
import type { MemberDoor } from '@thatdam/protocol/member'
import type { Adoption } from '@thatdam/protocol/ring-door'
import type { KnownReport } from '../ring/reports.ts'

type Waiting = LocalRing['waiting'][number]

interface Door {
  readonly nodeId: string
  readonly door: MemberDoor
  readonly ageMs: number
  /** By that member's wall clock. */
  readonly sentAtMs: number
}

export interface MemberDoorsPorts {
  /** What members that are awake told last; nothing where this node does not lead. */
  readonly reports: () => readonly KnownReport[]
  readonly member: (nodeId: string) => Member | null
}

/**
 * Who stands at the doors of other members, as they told the leader. Commitments and digits stay between the machine and the member that it speaks
 * with: what is known here is only shown, and the owner's word goes there.
 */
export class MemberDoors {
  private readonly ports: MemberDoorsPorts

  constructor(ports: MemberDoorsPorts) {
    this.ports = ports
  }

  /** Also those that were only heard. Each member's first ones before any member's next: no long list pushes out another's. */
  waiting(): Waiting[] {
    const lists = this.doors().map(({ door, ageMs }) =>
      door.waiting.map(({ nodeId, publicKey, address, heardAgoMs }) => {
        return { nodeId, publicKey, address, heardAtMs: Math.max(0, Math.round(Date.now() - ageMs - heardAgoMs)) }
      }),
    )
    const longest = Math.max(0, ...lists.map(({ length }) => length))
    return Array.from({ length: longest }, (_, place) => lists.flatMap((list) => list[place] ?? [])).flat()
  }

  /** Those that the owner lets in elsewhere, with this machine's wall clock for the end of their time. */
  adoptions(): Adoption[] {
    return this.openDoors().flatMap(({ door, ageMs, sentAtMs }) =>
      door.adoptions.map((one) => ({ ...one, expiresAtMs: Math.max(0, Math.round(Date.now() - ageMs + one.expiresAtMs - sentAtMs)) })),
    )
  }

  /** Node id of the member at whose door this machine waits; null: it waits at none. */
  askedBy(publicKey: string): string | null {
    const asks = ({ door }: Door): boolean => door.waiting.some((one) => one.asks && one.publicKey === publicKey)
    return this.openDoors().find(asks)?.nodeId ?? null
  }

  /** The member that hears this machine, one that may let it in by preference; null: nobody does. */
  heardBy(publicKey: string): { nodeId: string; mayLetIn: boolean } | null {
    const hears = ({ door }: Door): boolean => door.waiting.some((one) => one.publicKey === publicKey)
    const open = this.openDoors().find(hears)
    const nodeId = open?.nodeId ?? this.doors().find(hears)?.nodeId
    return nodeId === undefined ? null : { nodeId, mayLetIn: open !== undefined }
  }

  /** Node id of the member that tells of this adoption. */
  holderOf(id: string): string | null {
    return this.openDoors().find(({ door }) => door.adoptions.some((one) => one.id === id))?.nodeId ?? null
  }

  private doors(): Door[] {
    return this.ports.reports().flatMap(({ report: { nodeId, door, sentAtMs }, receivedAtMs }) => {
      return door === undefined ? [] : [{ nodeId, door, sentAtMs, ageMs: performance.now() - receivedAtMs }]
    })
  }

  /** Of members that may let machines in. */
  private openDoors(): Door[] {
    return this.doors().filter(({ nodeId }) => this.ports.member(nodeId)?.admitter === true)
  }
}
