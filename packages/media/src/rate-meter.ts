interface Sample {
  readonly bytes: number
  readonly durationMs: number
  readonly frames: number
}

const SAMPLES = 10

/** Bit rate and frame rate over the newest fragments. */
export class RateMeter {
  private readonly samples: Sample[] = []

  add(sample: Sample): void {
    this.samples.push(sample)
    if (this.samples.length > SAMPLES) this.samples.shift()
  }

  reset(): void {
    this.samples.length = 0
  }

  /** Bits a second and frames a second; null when not enough was seen. */
  rate(): { bitRate: number; fps: number } | null {
    const sum = { bytes: 0, durationMs: 0, frames: 0 }
    for (const sample of this.samples) {
      sum.bytes += sample.bytes
      sum.durationMs += sample.durationMs
      sum.frames += sample.frames
    }
    if (sum.durationMs < 200) return null
    return { bitRate: Math.round((sum.bytes * 8000) / sum.durationMs), fps: Math.round((sum.frames * 10_000) / sum.durationMs) / 10 }
  }
}
