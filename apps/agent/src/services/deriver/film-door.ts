import { randomBytes } from 'node:crypto'
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { ThatdamError } from '@thatdam/protocol/errors'
import type { SourceBytes } from '../child.ts'
import type { NamedFile } from '../indexer/odd-names.ts'

export interface Film {
  /** Of the whole. */
  readonly sizeBytes: number
  readonly open: (from: number, signal: AbortSignal) => Promise<SourceBytes>
  /** So many bytes more were read. */
  readonly progress: (bytes: number) => void
  readonly signal: AbortSignal
}

/** What a program can be given, of a film that lies elsewhere. */
export interface FarFilm extends NamedFile {
  /** Not all that was asked for could be had: what a program made of it says nothing about the film. */
  isCut(): boolean
}

/** @throws ThatdamError UNAVAILABLE when this is a film of which a part could not be had. */
export function requireUncut(source: NamedFile | FarFilm): void {
  if ('isCut' in source && source.isCut())
    throw new ThatdamError('UNAVAILABLE', 'The film could not be read where it lies. It is tried again by itself.')
}

interface Shown {
  readonly film: Film
  readonly ended: AbortController
  isCut: boolean
}

/**
 * Films of other machines, as ffmpeg reads them: over HTTP on 127.0.0.1, and only the parts that it asks for, so that a thumbnail of a film of 40 GB
 * costs some megabytes. An address cannot be guessed, and is gone with its job.
 */
export class FilmDoor {
  private readonly films = new Map<string, Shown>()
  private server: Promise<Server> | null = null

  async show(film: Film): Promise<FarFilm> {
    this.server ??= open((request, response) => this.answer(request, response))
    const { port } = (await this.server).address() as AddressInfo
    const name = randomBytes(16).toString('hex')
    const shown: Shown = { film, ended: new AbortController(), isCut: false }
    this.films.set(`/${name}`, shown)
    return {
      path: `http://127.0.0.1:${port}/${name}`,
      isCut: () => shown.isCut,
      release: () => {
        this.films.delete(`/${name}`)
        shown.ended.abort()
      },
    }
  }

  async close(): Promise<void> {
    const server = await this.server
    server?.close()
    server?.closeAllConnections()
  }

  private answer(request: IncomingMessage, response: ServerResponse): void {
    const shown = this.films.get(request.url ?? '')
    if (shown === undefined || request.method !== 'GET') {
      response.writeHead(404).end()
      return
    }
    send(shown, request, response).catch(() => {
      if (response.headersSent) response.destroy()
      else response.writeHead(502).end()
    })
  }
}

async function send(shown: Shown, request: IncomingMessage, response: ServerResponse): Promise<void> {
  const { film, ended } = shown
  const [, first = '0', last] = /^bytes=(\d{1,15})-(\d{1,15})?$/.exec(request.headers.range ?? '') ?? []
  const from = Number(first)
  const to = Math.min(film.sizeBytes, last === undefined ? Infinity : Number(last) + 1)
  if (from >= to) {
    response.writeHead(416, { 'content-range': `bytes */${film.sizeBytes}` }).end()
    return
  }
  const left = new AbortController()
  response.once('close', () => left.abort())
  const signal = AbortSignal.any([left.signal, ended.signal, film.signal])
  const cut = (error: unknown): never => {
    // Whoever reads leaves in the middle whenever it seeks, and that is none.
    if (!signal.aborted) {
      shown.isCut = true
      console.error('a film of another machine could not be read', error)
    }
    throw error
  }
  const source = await film.open(from, signal).catch(cut)
  if (source.sizeBytes !== film.sizeBytes) cut(new Error(`it has ${source.sizeBytes} bytes, and ${film.sizeBytes} were told`))
  response.writeHead(206, {
    'content-type': 'application/octet-stream',
    'content-length': to - from,
    'content-range': `bytes ${from}-${to - 1}/${film.sizeBytes}`,
    'accept-ranges': 'bytes',
  })
  await pipeline(Readable.from(upTo(to - from, source.bytes, { progress: film.progress, cut })), response, { signal })
}

async function* upTo(
  count: number,
  bytes: AsyncIterable<Uint8Array>,
  { progress, cut }: Pick<Film, 'progress'> & { readonly cut: (error: unknown) => never },
): AsyncGenerator<Uint8Array> {
  let left = count
  try {
    for await (const piece of bytes) {
      progress(Math.min(left, piece.length))
      yield piece.subarray(0, left)
      left -= piece.length
      if (left <= 0) return
    }
    throw new Error(`${left} bytes were not sent`)
  } catch (error) {
    cut(error)
  }
}

function open(answer: (request: IncomingMessage, response: ServerResponse) => void): Promise<Server> {
  const server = createServer(answer)
  return new Promise((resolve, reject) => {
    server.once('error', reject)
    server.listen(0, '127.0.0.1', () => {
      server.unref()
      resolve(server)
    })
  })
}
