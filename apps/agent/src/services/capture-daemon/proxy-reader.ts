import type { FragmentReader, PulledFragment } from '@thatdam/media/record/puller'
import { CameraStatus, FragmentIndex } from '@thatdam/protocol/capture'
import { LOCAL_TOKEN_HEADER } from '@thatdam/protocol/local'
import * as z from 'zod/mini'

const ANSWER_MS = 5_000
/** Longer than the proxy holds a request for the next fragment. */
const HELD_MS = 15_000

/** Reads one node's camera-proxy over loopback, as a sibling service. */
export class ProxyClient {
  private readonly localToken: string
  private readonly baseUrl: () => string | null

  constructor(localToken: string, baseUrl: () => string | null) {
    this.localToken = localToken
    this.baseUrl = baseUrl
  }

  /** Null: the camera service is not up. */
  async cameras(): Promise<CameraStatus[] | null> {
    const response = await this.get('/live/cameras', AbortSignal.timeout(ANSWER_MS))
    if (!response?.ok) return null
    return z.object({ cameras: z.array(CameraStatus) }).parse(await response.json()).cameras
  }

  reader(cameraId: string): FragmentReader {
    const path = `/live/cameras/${encodeURIComponent(cameraId)}`
    return {
      index: async () => {
        const response = await this.get(`${path}/fragments`, AbortSignal.timeout(ANSWER_MS))
        return response?.ok ? FragmentIndex.parse(await response.json()) : null
      },
      init: async (generation) => {
        const response = await this.get(`${path}/init?generation=${encodeURIComponent(generation)}`, AbortSignal.timeout(ANSWER_MS))
        return response?.ok ? Buffer.from(await response.arrayBuffer()) : null
      },
      fragment: async (number, signal) => {
        const held = AbortSignal.any([signal, AbortSignal.timeout(HELD_MS)])
        const response = await this.get(`${path}/fragments/${number}`, held)
        if (!response) return 'away'
        if (response.status === 410) return 'gone'
        if (response.status === 204) return 'later'
        return response.ok ? readFragment(number, response).catch(() => 'away' as const) : 'away'
      },
    }
  }

  /** Null: no answer. */
  private async get(path: string, signal: AbortSignal): Promise<Response | null> {
    const base = this.baseUrl()
    if (!base) return null
    const headers = { [LOCAL_TOKEN_HEADER]: this.localToken, authorization: `Bearer ${this.localToken}` }
    return fetch(base + path, { headers, signal }).catch(() => null)
  }
}

async function readFragment(number: number, response: Response): Promise<PulledFragment> {
  const header = (name: string): string => response.headers.get(`x-thatdam-${name}`) ?? ''
  return {
    number,
    generation: header('generation'),
    key: header('key') === '1',
    timeMs: Number(header('time-ms')),
    durationMs: Number(header('duration-ms')),
    bytes: Buffer.from(await response.arrayBuffer()),
  }
}
