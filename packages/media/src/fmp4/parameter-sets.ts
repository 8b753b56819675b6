import { boxes, findBox, wholeOf } from './boxes.ts'

/** Bytes of a visual sample entry before the boxes in it. */
const VISUAL_ENTRY_BYTES = 78
const CONFIGURATIONS: readonly string[] = ['avcC', 'hvcC', 'av1C']

/**
 * Whether the head of a fragmented MP4 says how its pictures are to be decoded. An encoder that knows its parameter sets only with the
 * first picture leaves the box empty, as the head is written before: no player opens that. False also for what is no MP4 or is cut short.
 */
export function holdsParameterSets(mp4: Buffer): boolean {
  try {
    const stsd = findBox(mp4, wholeOf(mp4), 'moov', 'trak', 'mdia', 'minf', 'stbl', 'stsd')
    const entry = stsd && boxes(mp4, stsd.body + 8, stsd.end).next().value
    if (!entry) return false
    for (const box of boxes(mp4, entry.body + VISUAL_ENTRY_BYTES, entry.end)) {
      if (!CONFIGURATIONS.includes(box.type)) continue
      if (box.type !== 'avcC') return box.end > box.body
      // The sixth byte counts the sequence parameter sets in its lower five bits (ISO/IEC 14496-15, 5.3.3.1).
      return box.end - box.body > 6 && ((mp4[box.body + 5] ?? 0) & 0x1f) > 0
    }
    return false
  } catch {
    return false // a box that leaves its parent: nothing that could be played
  }
}
