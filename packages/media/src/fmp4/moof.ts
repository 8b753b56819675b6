import { boxes, findBox, wholeOf, type Box } from './boxes.ts'

/** What an init segment says of its one video track. */
export interface TrackInfo {
  /** Ticks a second. */
  readonly timescale: number
  readonly width: number
  readonly height: number
  /** As in a MIME type's `codecs`: avc1.42c01f. */
  readonly codec: string
  readonly defaultSampleTicks: number
  readonly defaultSampleFlags: number
}

export interface FragmentTiming {
  /** Decode time of the first sample, in ticks. */
  readonly decodeTicks: number
  readonly durationTicks: number
  readonly samples: number
  /** The first sample is a key frame. */
  readonly key: boolean
  /** Frames are shown in another order than they are decoded in: B-frames. */
  readonly reordered: boolean
}

const NON_SYNC_SAMPLE = 0x10000

/** Reads moov of an init segment (ftyp + moov). Throws when there is no video track. */
export function readTrackInfo(init: Buffer): TrackInfo {
  const whole = wholeOf(init)
  const moov = findBox(init, whole, 'moov')
  if (!moov) throw new Error('init segment without moov')
  for (const trak of boxes(init, moov.body, moov.end)) {
    if (trak.type !== 'trak') continue
    const mdia = findBox(init, trak, 'mdia')
    const handler = mdia && findBox(init, mdia, 'hdlr')
    if (!mdia || !handler || init.toString('latin1', handler.body + 8, handler.body + 12) !== 'vide') continue
    return readVideoTrack(init, moov, mdia)
  }
  throw new Error('init segment without a video track')
}

function readVideoTrack(init: Buffer, moov: Box, mdia: Box): TrackInfo {
  const mdhd = findBox(init, mdia, 'mdhd')
  const stsd = findBox(init, mdia, 'minf', 'stbl', 'stsd')
  if (!mdhd || !stsd) throw new Error('video track without mdhd or stsd')
  const timescale = init.readUInt32BE(mdhd.body + (init[mdhd.body] === 1 ? 20 : 12))
  if (timescale === 0) throw new Error('video track with a timescale of 0')
  const entry = boxes(init, stsd.body + 8, stsd.end).next().value
  if (!entry) throw new Error('video track without a sample entry')
  const trex = findBox(init, moov, 'mvex', 'trex')
  return {
    timescale,
    width: init.readUInt16BE(entry.body + 24),
    height: init.readUInt16BE(entry.body + 26),
    codec: codecName(init, entry),
    defaultSampleTicks: trex ? init.readUInt32BE(trex.body + 12) : 0,
    defaultSampleFlags: trex ? init.readUInt32BE(trex.body + 20) : 0,
  }
}

function codecName(init: Buffer, entry: Box): string {
  if (entry.type !== 'avc1' && entry.type !== 'avc3') return entry.type
  for (const box of boxes(init, entry.body + 78, entry.end))
    if (box.type === 'avcC') return `${entry.type}.${init.toString('hex', box.body + 1, box.body + 4)}`
  return entry.type
}

/** Timing of one fragment, from its moof. Throws when the boxes contradict themselves. */
export function readFragmentTiming(fragment: Buffer, track: TrackInfo): FragmentTiming {
  const moof = findBox(fragment, wholeOf(fragment), 'moof')
  const traf = moof && findBox(fragment, moof, 'traf')
  const tfhd = traf && findBox(fragment, traf, 'tfhd')
  const tfdt = traf && findBox(fragment, traf, 'tfdt')
  if (!traf || !tfhd || !tfdt) throw new Error('fragment without traf, tfhd or tfdt')
  const defaults = readTrackDefaults(fragment, tfhd, track)
  const timing = {
    decodeTicks: fragment[tfdt.body] === 1 ? Number(fragment.readBigUInt64BE(tfdt.body + 4)) : fragment.readUInt32BE(tfdt.body + 4),
    durationTicks: 0,
    samples: 0,
    key: false,
    reordered: false,
  }
  for (const trun of boxes(fragment, traf.body, traf.end)) {
    if (trun.type !== 'trun') continue
    const run = readRun(fragment, trun, defaults)
    if (timing.samples === 0) timing.key = (run.firstFlags & NON_SYNC_SAMPLE) === 0
    timing.durationTicks += run.durationTicks
    timing.samples += run.samples
    timing.reordered ||= run.reordered
  }
  if (timing.samples === 0) throw new Error('fragment without samples')
  return timing
}

function readTrackDefaults(fragment: Buffer, tfhd: Box, track: TrackInfo): { ticks: number; flags: number } {
  const present = fragment.readUInt32BE(tfhd.body) & 0xffffff
  let at = tfhd.body + 8
  if (present & 0x1) at += 8
  if (present & 0x2) at += 4
  const ticks = present & 0x8 ? fragment.readUInt32BE(at) : track.defaultSampleTicks
  if (present & 0x8) at += 4
  if (present & 0x10) at += 4
  return { ticks, flags: present & 0x20 ? fragment.readUInt32BE(at) : track.defaultSampleFlags }
}

function readRun(
  fragment: Buffer,
  trun: Box,
  defaults: { ticks: number; flags: number },
): { samples: number; durationTicks: number; firstFlags: number; reordered: boolean } {
  const present = fragment.readUInt32BE(trun.body) & 0xffffff
  const samples = fragment.readUInt32BE(trun.body + 4)
  let at = trun.body + 8 + (present & 0x1 ? 4 : 0)
  let firstFlags = defaults.flags
  if (present & 0x4) {
    firstFlags = fragment.readUInt32BE(at)
    at += 4
  }
  const fields = [0x100, 0x200, 0x400, 0x800].filter((bit) => present & bit)
  if (at + samples * fields.length * 4 > trun.end) throw new Error('trun promises more samples than it holds')
  if (!(present & 0x4) && present & 0x400 && samples > 0) firstFlags = fragment.readUInt32BE(at + 4 * fields.indexOf(0x400))
  const sum = { samples, durationTicks: present & 0x100 ? 0 : samples * defaults.ticks, firstFlags, reordered: false }
  const offsetField = 4 * fields.indexOf(0x800)
  for (let sample = 0; sample < samples; sample++) {
    const entry = at + sample * fields.length * 4
    if (present & 0x100) sum.durationTicks += fragment.readUInt32BE(entry)
    if (present & 0x800) sum.reordered ||= fragment.readInt32BE(entry + offsetField) !== fragment.readInt32BE(at + offsetField)
  }
  return sum
}

/**
 * Writes a new place on the time line into a fragment, in place: a recording joins fragments of several ffmpeg runs and of both
 * sides of a gap into one line without holes.
 */
export function retimeFragment(fragment: Buffer, sequence: number, decodeTicks: number): void {
  const moof = findBox(fragment, wholeOf(fragment), 'moof')
  const mfhd = moof && findBox(fragment, moof, 'mfhd')
  const tfdt = moof && findBox(fragment, moof, 'traf', 'tfdt')
  if (!mfhd || !tfdt) throw new Error('fragment without mfhd or tfdt')
  fragment.writeUInt32BE(sequence >>> 0, mfhd.body + 4)
  if (fragment[tfdt.body] === 1) fragment.writeBigUInt64BE(BigInt(decodeTicks), tfdt.body + 4)
  else fragment.writeUInt32BE(decodeTicks >>> 0, tfdt.body + 4)
}
