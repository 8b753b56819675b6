import type { NodeId } from '@thatdam/protocol/ids'
import type { Member } from './state.ts'

/**
 * All of a roster but self, by id and in the roster's order. Never changed in place but by the step that made the copy: all copies share the ids, so that
 * one costs a thousandth of a map's in a ring of a thousand, where nearly every message brings news.
 */
export class Members {
  private readonly ids: readonly NodeId[]
  private readonly places: ReadonlyMap<NodeId, number>
  private readonly rows: Member[]

  private constructor(ids: readonly NodeId[], places: ReadonlyMap<NodeId, number>, rows: Member[]) {
    this.ids = ids
    this.places = places
    this.rows = rows
  }

  /** Each id once. */
  static of(ids: readonly NodeId[], rowOf: (nodeId: NodeId) => Member): Members {
    return new Members(ids, new Map(ids.map((nodeId, place) => [nodeId, place])), ids.map(rowOf))
  }

  get size(): number {
    return this.ids.length
  }

  has(nodeId: NodeId): boolean {
    return this.places.has(nodeId)
  }

  get(nodeId: NodeId): Member | undefined {
    const place = this.places.get(nodeId)
    return place === undefined ? undefined : this.rows[place]
  }

  keys(): readonly NodeId[] {
    return this.ids
  }

  values(): readonly Member[] {
    return this.rows
  }

  /** For a step that changes its own copy only. */
  copy(): Members {
    return new Members(this.ids, this.places, [...this.rows])
  }

  /** On a copy that nobody else has yet. Of an unknown id nothing is kept. */
  set(nodeId: NodeId, member: Member): void {
    const place = this.places.get(nodeId)
    if (place !== undefined) this.rows[place] = member
  }

  *[Symbol.iterator](): Generator<readonly [NodeId, Member]> {
    for (const [place, nodeId] of this.ids.entries()) {
      const member = this.rows[place]
      if (member !== undefined) yield [nodeId, member]
    }
  }

  /** Ids of those that are wanted, in order. */
  idsWhere(isWanted: (member: Member) => boolean): NodeId[] {
    const { ids, rows } = this
    const wanted: NodeId[] = []
    for (let place = 0; place < ids.length; place++) {
      const member = rows[place]
      if (member !== undefined && isWanted(member)) wanted.push(ids[place] as NodeId)
    }
    return wanted
  }
}
