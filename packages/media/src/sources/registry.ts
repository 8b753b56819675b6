import type { CameraFacts } from '@thatdam/protocol/facts'
import { avfoundationSource } from './avfoundation/source.ts'
import { dshowSource } from './dshow/source.ts'
import { fileSource } from './file/source.ts'
import { rtspSource } from './rtsp/source.ts'
import type { CameraSource } from './source.ts'
import { testSource } from './test/source.ts'
import { v4l2Source } from './v4l2/source.ts'

const SOURCES: readonly CameraSource[] = [v4l2Source, dshowSource, avfoundationSource, rtspSource, fileSource, testSource]

/** Null: this version cannot open that kind yet. */
export function sourceOf(kind: CameraFacts['kind']): CameraSource | null {
  return SOURCES.find((source) => source.kind === kind) ?? null
}
