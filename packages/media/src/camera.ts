import { randomBytes } from 'node:crypto'
import { availableParallelism } from 'node:os'
import { setTimeout as delay } from 'node:timers/promises'
import type { CameraStatus } from '@thatdam/protocol/capture'
import type { CameraFacts } from '@thatdam/protocol/facts'
import { cameraArgv, RTP_PAYLOAD_TYPE } from './ffmpeg/argv.ts'
import { Backoff } from './ffmpeg/backoff.ts'
import { chooseEncoder, type EncoderPlan } from './ffmpeg/encoders.ts'
import { ffmpegMissing } from './ffmpeg/missing.ts'
import { isEncoderTrouble, noSignal, troubleOf, type CameraTrouble } from './ffmpeg/reasons.ts'
import { startFfmpeg, type FfmpegExit, type FfmpegRun } from './ffmpeg/runner.ts'
import { FragmentParser } from './fmp4/parser.ts'
import { RateMeter } from './rate-meter.ts'
import { FragmentRing } from './ring.ts'
import { RtpSocket } from './rtp-socket.ts'
import { chooseMode, COPY_LIMIT, SMALL_ENCODE_LIMIT } from './sources/mode.ts'
import { sourceOf } from './sources/registry.ts'
import type { CameraSource, FfmpegInput } from './sources/source.ts'
import { RtpFeed } from './webrtc/feed.ts'

/*
 *            ┌──────────── fragments ───────────┐
 * starting ──┴▶ live ── ffmpeg ended ──▶ gone / busy / failed ── wait (0.5 s … 30 s, or it is plugged in again) ──▶ starting
 */

/** How often a camera that is away is looked for: one look at a path, no process. */
const PRESENCE_MS = 1_000
/** A file that is played again begins its next pass after this. */
const AGAIN_MS = 100
/** Fragments for so long and no RTP: the live leg lost the race for its port. */
const LIVE_LEG_MS = 5_000
/** From here on a processor encodes 1080p30 beside its other work. */
const LARGE_CORES = 8

export interface LiveCameraOptions {
  readonly camera: CameraFacts
  /** Null: it is not installed. */
  readonly ffmpegPath: string | null
  /** Encoders that were seen to work on this machine; null: nobody looked. */
  readonly encoders: readonly string[] | null
  /** State, reason or counts changed. */
  onChange(): void
}

/** One camera: one ffmpeg, its ring of fragments, its feed for live viewers. */
export class LiveCamera {
  facts: CameraFacts
  readonly ring = new FragmentRing(Math.floor(Date.now() / 100))
  readonly feed = new RtpFeed(RTP_PAYLOAD_TYPE)
  private readonly options: LiveCameraOptions
  private readonly epoch = randomBytes(4).toString('hex')
  private readonly backoff = new Backoff()
  private readonly meter = new RateMeter()
  private readonly stopping = new AbortController()
  private readonly brokenEncoders = new Set<string>()
  private runs = 0
  /** The camera's own H.264 has B-frames, which no browser shows live: it is encoded instead. */
  private mustEncode = false
  /** Done at most once: a machine whose loopback drops UDP still records. */
  private liveLegRetried = false
  private stateNow: CameraStatus['state'] = 'starting'
  private reasonNow = ''
  private encoderNow: EncoderPlan | null = null
  private run: FfmpegRun | null = null
  private parseError: Error | null = null
  private loop: Promise<void> = Promise.resolve()

  constructor(options: LiveCameraOptions) {
    this.options = options
    this.facts = options.camera
  }

  get state(): CameraStatus['state'] {
    return this.stateNow
  }
  get reason(): string {
    return this.reasonNow
  }
  /** Of the ffmpeg that runs now. */
  get pid(): number | null {
    return this.run?.pid ?? null
  }

  /** What people call it; the picture goes on. */
  rename(name: string): void {
    this.facts = { ...this.facts, name }
  }

  start(): void {
    this.loop = this.keepRunning().catch((error: unknown) => {
      console.error(error)
      this.become('failed', 'The camera service failed; its log says why. Switch the camera off and on in the settings.')
    })
  }

  async stop(): Promise<void> {
    this.stopping.abort()
    await this.run?.stop()
    await this.loop
  }

  /** As protocol CameraStatus; `viewers` is the hub's and the MJPEG picture's business. */
  status(viewers: number): CameraStatus {
    const track = this.stateNow === 'live' ? this.ring.init?.segment.track : undefined
    const rate = this.stateNow === 'live' ? this.meter.rate() : null
    return {
      camera: this.facts,
      state: this.stateNow,
      reason: this.reasonNow,
      codec: track?.codec ?? null,
      encoder: this.encoderNow?.name ?? null,
      width: track?.width ?? null,
      height: track?.height ?? null,
      fps: rate?.fps ?? null,
      bitRate: rate?.bitRate ?? null,
      viewers,
      firstFragment: this.ring.first,
      nextFragment: this.ring.next,
    }
  }

  private become(state: CameraStatus['state'], reason: string): void {
    if (this.stateNow === state && this.reasonNow === reason) return
    this.stateNow = state
    this.reasonNow = reason
    this.options.onChange()
  }

  private async keepRunning(): Promise<void> {
    const source = sourceOf(this.facts.kind)
    if (!source) {
      this.become('failed', `This version cannot open cameras of the kind "${this.facts.kind}" yet.`)
      return
    }
    if (!this.options.ffmpegPath) {
      this.become('waiting-ffmpeg', ffmpegMissing())
      return
    }
    const socket = await RtpSocket.open((bytes) => this.feed.receive(bytes, performance.now()))
    try {
      while (!this.stopping.signal.aborted) await this.oneRun(source, this.options.ffmpegPath, socket)
    } finally {
      socket.close()
    }
  }

  private async oneRun(source: CameraSource, ffmpegPath: string, socket: RtpSocket): Promise<void> {
    const missing = await source.missing(this.facts)
    if (missing) {
      this.become(missing.state, missing.sentence)
      await this.pause(PRESENCE_MS)
      if (!(await source.missing(this.facts))) this.backoff.reset()
      return
    }
    const deviceIndex = (await source.deviceIndex?.(this.facts, ffmpegPath)) ?? null
    if (typeof deviceIndex === 'object' && deviceIndex !== null) {
      this.become(deviceIndex.state, deviceIndex.sentence)
      await this.pause(this.backoff.nextMs(0, Math.random()))
      return
    }
    if (this.stopping.signal.aborted) return
    const plan = this.planInput(source, deviceIndex)
    const startedMs = performance.now()
    const exit = await this.runFfmpeg(ffmpegPath, cameraArgv(plan.input, plan.encoder, await socket.nextPorts()), socket)
    if (this.stopping.signal.aborted) return
    if ((plan.input.atEnd === 'again' && exit.code === 0) || (this.mustEncode && plan.input.copy)) {
      await this.pause(AGAIN_MS)
      return
    }
    await this.recover(source, exit, performance.now() - startedMs)
  }

  /** An encoder that failed here is not tried again; with none left libx264 is, so that the error names it. */
  private planInput(source: CameraSource, deviceIndex: number | null): { input: FfmpegInput; encoder: EncoderPlan | null } {
    const usable = this.options.encoders?.filter((name) => !this.brokenEncoders.has(name)) ?? null
    const encoder = chooseEncoder(usable) ?? chooseEncoder(null)
    const roomy = (encoder?.hardware ?? false) || availableParallelism() >= LARGE_CORES
    const native = source.ffmpegInput(this.facts, chooseMode(this.facts.modes, roomy ? COPY_LIMIT : SMALL_ENCODE_LIMIT), deviceIndex)
    const input = this.mustEncode ? { ...native, copy: false } : native
    this.encoderNow = input.copy ? null : encoder
    return { input, encoder: this.encoderNow }
  }

  private async runFfmpeg(path: string, args: readonly string[], socket: RtpSocket): Promise<FfmpegExit> {
    const startedMs = performance.now()
    const generation = `${this.epoch}-${++this.runs}`
    this.parseError = null
    const parser = new FragmentParser({
      init: (segment) => this.ring.setInit(generation, segment),
      fragment: (fragment) => {
        const kept = this.ring.push(fragment, Date.now())
        this.meter.add({ bytes: fragment.bytes.length, durationMs: kept?.durationMs ?? 0, frames: fragment.timing.samples })
        if (kept) this.become('live', '')
        if (fragment.timing.reordered && !this.encoderNow && !this.mustEncode) {
          this.mustEncode = true
          void run.stop()
        }
        if (socket.seen || this.liveLegRetried || performance.now() - startedMs < LIVE_LEG_MS) return
        this.liveLegRetried = true
        void run.stop()
      },
    })
    const run = startFfmpeg({
      path,
      args,
      onBytes: (chunk) => {
        if (this.parseError) return
        try {
          parser.push(chunk)
        } catch (error) {
          this.parseError = error instanceof Error ? error : new Error(String(error))
          void run.stop()
        }
      },
    })
    this.run = run
    if (this.stopping.signal.aborted) void run.stop()
    const exit = await run.exited
    this.run = null
    this.meter.reset()
    return exit
  }

  private async recover(source: CameraSource, exit: FfmpegExit, ranMs: number): Promise<void> {
    const what = source.describe(this.facts)
    const trouble = await this.diagnose(source, exit, what)
    if (this.encoderNow && isEncoderTrouble(exit.stderr)) this.brokenEncoders.add(this.encoderNow.name)
    console.error(`${what}: ${trouble.sentence}\n${this.parseError?.message ?? ''}${exit.stderr.slice(-2000)}`)
    this.become(trouble.state, trouble.sentence)
    const until = performance.now() + this.backoff.nextMs(ranMs, Math.random())
    while (performance.now() < until && !this.stopping.signal.aborted) {
      await this.pause(Math.min(PRESENCE_MS, Math.max(0, until - performance.now())))
      if (await source.missing(this.facts)) return // the next round says so, and begins at once when it is back
    }
    if (!this.stopping.signal.aborted && trouble.state !== 'gone') this.become('starting', trouble.sentence)
  }

  private async diagnose(source: CameraSource, exit: FfmpegExit, what: string): Promise<CameraTrouble> {
    const missing = await source.missing(this.facts)
    if (missing) return missing
    if (exit.silentSeconds !== null) return noSignal(what, exit.silentSeconds)
    return troubleOf(exit.stderr, what, exit)
  }

  private async pause(ms: number): Promise<void> {
    await delay(ms, undefined, { signal: this.stopping.signal }).catch(() => {})
  }
}
