/** A seeded source of chance (sfc32): the same seed gives the same run on every machine. */
export class Chance {
  private a: number
  private b: number
  private c = 0x9e3779b9
  private counter = 1

  /** `stream` keeps two sources of one seed apart. */
  constructor(seed: number, stream: number) {
    this.a = seed >>> 0
    this.b = (Math.floor(seed / 0x1_0000_0000) ^ Math.imul(stream + 1, 0x85ebca6b)) >>> 0
    for (let warm = 0; warm < 16; warm++) this.draw()
  }

  /** [0, 1) */
  draw(): number {
    const sum = (((this.a + this.b) | 0) + this.counter) | 0
    this.counter = (this.counter + 1) | 0
    this.a = this.b ^ (this.b >>> 9)
    this.b = (this.c + (this.c << 3)) | 0
    this.c = ((this.c << 21) | (this.c >>> 11)) + sum
    return (sum >>> 0) / 0x1_0000_0000
  }

  /** A whole number from `from` to `to`, both possible. */
  whole(from: number, to: number): number {
    return from + Math.floor(this.draw() * (to - from + 1))
  }

  isHit(probability: number): boolean {
    return this.draw() < probability
  }

  pick<T>(items: readonly T[]): T {
    const item = items[Math.floor(this.draw() * items.length)]
    if (item === undefined) throw new RangeError('nothing to pick from')
    return item
  }
}
