/** One measurement. Figures are medians; ours and the peer are measured in turn (A B A B) in the same run. */
export interface BenchResult {
  readonly name: string
  readonly unit: string
  readonly ours: number
  readonly peer?: { readonly name: string; readonly value: number }
  /** The physical or promised bound, in the same unit. */
  readonly limit?: number
  /** ours ÷ peer, else ours ÷ limit. */
  readonly ratio: number
  readonly samples: number
  readonly machine: string
  /** Further figures of the same run, for people. */
  readonly more?: Readonly<Record<string, number>>
}

export interface BenchOptions {
  /** Fewer samples: at most 50 s on two cores. */
  readonly quick: boolean
  readonly say: (text: string) => void
}

export interface Bench {
  readonly name: string
  /** One line: what is measured against what. */
  readonly about: string
  run(options: BenchOptions): Promise<Omit<BenchResult, 'machine'>>
}

/** Middle value; the mean of the two middle ones for an even count. */
export function median(values: readonly number[]): number {
  if (values.length === 0) throw new RangeError('median of no values')
  const sorted = values.toSorted((a, b) => a - b)
  const middle = sorted.length >> 1
  const upper = sorted[middle] ?? 0
  return sorted.length % 2 ? upper : ((sorted[middle - 1] ?? 0) + upper) / 2
}

export const round = (value: number, digits = 2): number => Number(value.toFixed(digits))
