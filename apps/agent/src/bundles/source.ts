import { createHash } from 'node:crypto'
import { createReadStream, createWriteStream } from 'node:fs'
import { access, mkdir, readdir, readFile, rm, stat } from 'node:fs/promises'
import { join, resolve } from 'node:path'
import { Transform, type Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import type { ReleaseArchive } from '@thatdam/protocol/bundle'
import { ThatdamError } from '@thatdam/protocol/errors'
import { callJson, openRequest } from '../http-client.ts'
import type { BundleSource } from '../services/service.ts'
import { findArchive, verifyManifest } from './manifest.ts'
import { unpack } from './unpack.ts'

const SILENCE_MAX_MS = 30_000
const SAY_EVERY_MS = 500

const inMegabytes = (count: number): string => (count / 1e6).toFixed(0)

export interface BundleOptions {
  readonly bundlesDir: string
  /** A console from a checkout: used as it is. */
  readonly consoleDir: string | null
  readonly releasesDir: string | null
  readonly cloudUrl: () => string | null
  readonly pinnedKey: string | null
}

interface Offer {
  readonly archive: ReleaseArchive
  readonly from: string
  read(signal: AbortSignal): Promise<Readable>
}

/** Where bundles come from: a local release folder, then the cloud; unpacked under their hash, so that each is fetched once. */
export function bundleSource(options: BundleOptions): BundleSource {
  return {
    open: async (name, progress, signal) => {
      if (options.consoleDir !== null) return await checkoutConsole(resolve(options.consoleDir))
      const offers = await findOffers(options, name, signal)
      const [offer] = offers.found
      if (!offer) {
        const any = await newestUnpacked(options.bundlesDir)
        if (any !== null) return any
        throw new ThatdamError('UNAVAILABLE', `The console’s files cannot be had yet. ${offers.reasons.join(' ')}`)
      }
      const folder = join(options.bundlesDir, offer.archive.sha256)
      if (await isThere(join(folder, 'server.mjs'))) return folder
      return await fetchAndUnpack(offer, options.bundlesDir, progress, signal)
    },
  }
}

async function checkoutConsole(folder: string): Promise<string> {
  if (await isThere(join(folder, 'server.mjs'))) return folder
  throw new ThatdamError('UNAVAILABLE', `CONSOLE_DIR is ${folder}, but there is no server.mjs in it. Build the console first.`)
}

async function findOffers(options: BundleOptions, name: 'console', signal: AbortSignal): Promise<{ found: Offer[]; reasons: string[] }> {
  const found: Offer[] = []
  const reasons: string[] = []
  const { pinnedKey, releasesDir } = options
  if (pinnedKey === null) return { found, reasons: ['This agent has no release key (release.pub beside its program). Install it again.'] }
  const consider = async (from: string, load: () => Promise<unknown>, read: (file: string, signal: AbortSignal) => Promise<Readable>) => {
    try {
      const archive = findArchive(verifyManifest(await load(), pinnedKey, from), name)
      if (archive) found.push({ archive, from, read: (inner) => read(archive.file, inner) })
      else reasons.push(`${from} has none for ${process.platform}-${process.arch}.`)
    } catch (error) {
      reasons.push(
        error instanceof ThatdamError
          ? error.message
          : `${from} could not be read (${(error as NodeJS.ErrnoException).code ?? String(error)}).`,
      )
    }
  }
  if (releasesDir !== null) {
    await consider(
      releasesDir,
      async () => JSON.parse(await readFile(join(releasesDir, 'release.json'), 'utf8')) as unknown,
      (file) => Promise.resolve(createReadStream(join(releasesDir, file))),
    )
  }
  const url = options.cloudUrl()
  if (found.length === 0 && url !== null) {
    await consider(
      url,
      async () => {
        const answer = await callJson({ method: 'GET', url: `${url}/releases/release.json`, timeoutMs: SILENCE_MAX_MS, signal })
        if (answer.status !== 200) throw new ThatdamError('UNAVAILABLE', `${url} has no release list (it answered ${answer.status}).`)
        return answer.body
      },
      async (file, inner) => {
        const asked = { method: 'GET', url: `${url}/releases/${file}`, timeoutMs: SILENCE_MAX_MS, signal: inner } as const
        const answer = await openRequest(asked, {}, null)
        if (answer.statusCode === 200) return answer
        answer.destroy()
        throw new ThatdamError('UNAVAILABLE', `${url} did not give ${file} (it answered ${answer.statusCode ?? 0}).`)
      },
    )
  }
  if (url === null && releasesDir === null) reasons.push('Register this machine, so that it can fetch them.')
  return { found, reasons }
}

async function fetchAndUnpack(
  offer: Offer,
  bundlesDir: string,
  progress: (sentence: string) => void,
  signal: AbortSignal,
): Promise<string> {
  const { archive } = offer
  await mkdir(bundlesDir, { recursive: true, mode: 0o700 })
  const path = join(bundlesDir, `${archive.sha256}.tar.gz.part`)
  try {
    const sha256 = await download(await offer.read(signal), path, archive, progress, signal)
    if (sha256 !== archive.sha256) {
      throw new ThatdamError(
        'UNPROCESSABLE',
        `The console’s archive from ${offer.from} is not what its list says (other checksum). It is fetched again later.`,
      )
    }
    progress('Unpacks the console.')
    return await unpack(path, bundlesDir, archive.sha256)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOSPC') {
      throw new ThatdamError(
        'DISK_FULL',
        `There is no space left in ${bundlesDir} for the console (${archive.sizeBytes} bytes). Make room there.`,
        { cause: error },
      )
    }
    throw error
  } finally {
    await rm(path, { force: true })
  }
}

async function download(
  source: Readable,
  path: string,
  archive: ReleaseArchive,
  progress: (sentence: string) => void,
  signal: AbortSignal,
): Promise<string> {
  const hash = createHash('sha256')
  let bytes = 0
  let saidAtMs = 0
  const measure = new Transform({
    transform(chunk: Buffer, _encoding, done) {
      hash.update(chunk)
      bytes += chunk.length
      if (bytes > archive.sizeBytes) {
        done(new ThatdamError('UNPROCESSABLE', 'The console’s archive is larger than its list says. It is fetched again later.'))
        return
      }
      if (Date.now() - saidAtMs >= SAY_EVERY_MS) {
        saidAtMs = Date.now()
        progress(`Fetches the console: ${inMegabytes(bytes)} of ${inMegabytes(archive.sizeBytes)} MB.`)
      }
      done(null, chunk)
    },
  })
  await pipeline(source, measure, createWriteStream(path, { mode: 0o600 }), { signal })
  return hash.digest('hex')
}

/** With no release list in reach (the cloud is away), what was unpacked last goes on. */
async function newestUnpacked(bundlesDir: string): Promise<string | null> {
  const names = (await readdir(bundlesDir).catch(() => [])).filter((name) => /^[0-9a-f]{64}$/.test(name))
  const aged = await Promise.all(names.map(async (name) => ({ name, atMs: (await stat(join(bundlesDir, name))).mtimeMs })))
  const newest = aged.toSorted((a, b) => b.atMs - a.atMs)[0]
  return newest ? join(bundlesDir, newest.name) : null
}

async function isThere(path: string): Promise<boolean> {
  return await access(path).then(
    () => true,
    () => false,
  )
}
