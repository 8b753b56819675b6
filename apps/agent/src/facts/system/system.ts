/** What each operating system's folder mate gathers; the same shape for all three. */
export type SystemFacts = {
  osName: string
  model: string | null
  /** Null: what Node's os module says is taken. */
  cpuModel: string | null
  ramBytes: number | null
  uiAvailable: boolean
  battery: { percent: number; charging: boolean } | null
  /** A chassis that is carried about, battery or not. */
  portable: boolean
  sleeps: boolean
  gpus: { name: string; vramBytes: number | null }[]
}
