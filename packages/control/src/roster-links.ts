import type { RosterBody } from '@thatdam/protocol/roster'

/** The records that a record names as seen: `previous`, and `also`. */
export const parentsOf = (body: RosterBody): readonly string[] => (body.kind === 'genesis' ? [] : [body.previous, ...(body.also ?? [])])

/**
 * Which record was made in sight of which. A record's ancestors are itself and all that its parents lead back to, among the records at hand; a
 * hash chain has no cycles. Kept as one bit a record, so that the longest roster (10,000) with every question asked stays below 13 MB.
 */
export class RosterLinks {
  readonly #index: ReadonlyMap<string, number>
  readonly #parents: readonly (readonly number[])[]
  readonly #known = new Map<number, Uint8Array>()

  constructor(bodies: ReadonlyMap<string, RosterBody>) {
    const index = new Map([...bodies.keys()].map((hash, place) => [hash, place]))
    this.#index = index
    this.#parents = [...bodies.values()].map((body) => parentsOf(body).flatMap((hash) => index.get(hash) ?? []))
  }

  /** Was `hash` made in sight of `ancestor`, or is it the same? */
  descends(hash: string, ancestor: string): boolean {
    if (hash === ancestor) return true
    const [from, to] = [this.#index.get(hash), this.#index.get(ancestor)]
    return from !== undefined && to !== undefined && hasBit(this.#ancestors(from), to)
  }

  #ancestors(start: number): Uint8Array {
    const known = this.#known.get(start)
    if (known !== undefined) return known
    const bits = new Uint8Array((this.#parents.length + 7) >> 3)
    this.#known.set(start, bits)
    for (const stack = [start]; stack.length > 0;) {
      const at = stack.pop() as number
      if (hasBit(bits, at)) continue
      bits[at >> 3] = (bits[at >> 3] as number) | (1 << (at & 7))
      for (const parent of this.#parents[at] as readonly number[]) stack.push(parent)
    }
    return bits
  }
}

const hasBit = (bits: Uint8Array, at: number): boolean => ((bits[at >> 3] as number) & (1 << (at & 7))) !== 0
