/** How one H.264 encoder is called. */
export interface EncoderPlan {
  /** ffmpeg's name. */
  readonly name: string
  readonly hardware: boolean
  /** Before the input. */
  readonly globalArgs: readonly string[]
  /** Filters that bring the picture to where and what the encoder takes. */
  readonly filter: string
  readonly args: readonly string[]
}

const PLANS: readonly EncoderPlan[] = [
  {
    name: 'h264_nvenc',
    hardware: true,
    globalArgs: [],
    filter: 'format=yuv420p',
    args: ['-preset', 'p1', '-tune', 'ull', '-zerolatency', '1', '-profile:v', 'baseline', '-forced-idr', '1'],
  },
  {
    name: 'h264_videotoolbox',
    hardware: true,
    globalArgs: [],
    filter: 'format=nv12',
    args: ['-realtime', '1', '-profile:v', 'baseline', '-allow_sw', '1'],
  },
  { name: 'h264_qsv', hardware: true, globalArgs: [], filter: 'format=nv12', args: ['-preset', 'veryfast', '-async_depth', '1'] },
  {
    name: 'h264_vaapi',
    hardware: true,
    globalArgs: ['-vaapi_device', '/dev/dri/renderD128'],
    filter: 'format=nv12,hwupload',
    args: ['-profile:v', 'constrained_baseline', '-async_depth', '1'],
  },
  { name: 'h264_amf', hardware: true, globalArgs: [], filter: 'format=nv12', args: ['-usage', 'ultralowlatency'] },
  { name: 'h264_mf', hardware: true, globalArgs: [], filter: 'format=nv12', args: ['-hw_encoding', '1'] },
  { name: 'h264_v4l2m2m', hardware: true, globalArgs: [], filter: 'format=yuv420p', args: ['-num_capture_buffers', '16'] },
  {
    name: 'libx264',
    hardware: false,
    globalArgs: [],
    filter: 'format=yuv420p',
    args: ['-preset', 'ultrafast', '-tune', 'zerolatency', '-profile:v', 'baseline', '-sc_threshold', '0'],
  },
  { name: 'libopenh264', hardware: false, globalArgs: [], filter: 'format=yuv420p', args: ['-profile:v', 'constrained_baseline'] },
]

/** Hardware first. `usable`: encoders that this machine was seen to open; null when nobody looked: libx264 is then taken. */
export function chooseEncoder(usable: readonly string[] | null): EncoderPlan | null {
  const seen = usable ?? ['libx264']
  return PLANS.find((plan) => seen.includes(plan.name)) ?? null
}

/** Bits a second for a picture of this size: 4 Mbit/s at 720p30, 0.5 to 8. */
export function bitRateFor(width: number, height: number, fps: number): number {
  return Math.round(Math.min(8_000_000, Math.max(500_000, width * height * fps * 0.145)) / 1000) * 1000
}

/** A key frame at least each second, no B-frames, parameter sets apart (they are put before each key frame where RTP leaves). */
export function encoderArgs(plan: EncoderPlan, picture: { width: number | null; height: number | null; fps: number | null }): string[] {
  const fps = Math.max(1, Math.round(picture.fps ?? 30))
  const rate = bitRateFor(picture.width ?? 1280, picture.height ?? 720, fps)
  return [
    '-vf',
    plan.filter,
    '-c:v',
    plan.name,
    ...plan.args,
    '-bf',
    '0',
    '-g',
    String(fps),
    '-force_key_frames',
    'expr:gte(t,n_forced)',
    '-b:v',
    String(rate),
    '-maxrate',
    String(rate),
    '-bufsize',
    String(Math.round(rate / 2)),
    '-flags',
    '+global_header',
  ]
}
