/*
 * Sees a host from inside. Reads one JSON question a line on stdin, writes one JSON answer a line on stdout; ends with stdin. Whoever connects
 * to the door (a Unix socket: files are the same in every network namespace) is led to the host's gateway. It imports nothing of ours, so that
 * it is there at once and stays small.
 */
import { readFileSync, rmSync } from 'node:fs'
import { request } from 'node:http'
import { connect, createServer } from 'node:net'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import type { ProbeAnswer, ProbeQuestion } from './prober.ts'

const BODY_BYTES_MAX = 4_000_000
const [, , stateDir = '', doorFile = ''] = process.argv

interface Target {
  readonly url: string
  readonly headers: Readonly<Record<string, string>>
}

const readJson = (name: string): Record<string, unknown> =>
  JSON.parse(readFileSync(join(stateDir, name), 'utf8')) as Record<string, unknown>

/** Where the agent of this host answers now; it says so in its state directory. */
function targetOf(question: ProbeQuestion): Target {
  if (question.at === 'gateway') return { url: `http://127.0.0.1:${String(readJson('gateway.json')['port'])}${question.path}`, headers: {} }
  if (question.at === 'url') return { url: question.path, headers: {} }
  const { url, token } = readJson('local.json')
  return { url: `${String(url)}${question.path}`, headers: { authorization: `Bearer ${String(token)}` } }
}

function ask(question: ProbeQuestion): Promise<Omit<ProbeAnswer, 'id'>> {
  return new Promise((resolve, reject) => {
    const { url, headers } = targetOf(question)
    const body = question.body === undefined ? null : JSON.stringify(question.body)
    const sent = request(
      url,
      {
        method: question.method,
        agent: false,
        headers: { ...headers, ...question.headers, ...(body !== null && { 'content-type': 'application/json' }) },
        signal: AbortSignal.timeout(question.timeoutMs),
      },
      (response) => {
        const chunks: Buffer[] = []
        let bytes = 0
        response.on('data', (chunk: Buffer) => {
          bytes += chunk.length
          if (bytes > BODY_BYTES_MAX) sent.destroy(new Error('the answer is too long'))
          else chunks.push(chunk)
        })
        response.on('end', () => {
          const { statusCode = 0, headers: told } = response
          const text = Buffer.concat(chunks).toString()
          resolve({ status: statusCode, headers: told as Record<string, string>, text })
        })
        response.on('error', reject)
      },
    )
    sent.on('error', reject)
    sent.end(body)
  })
}

async function answer(line: string): Promise<void> {
  const question = JSON.parse(line) as ProbeQuestion
  const found = await ask(question).catch((error: unknown) => ({ error: error instanceof Error ? error.message : String(error) }))
  process.stdout.write(`${JSON.stringify({ id: question.id, ...found })}\n`)
}

function openDoor(file: string): void {
  rmSync(file, { force: true })
  const door = createServer({ allowHalfOpen: true }, (visitor) => {
    visitor.on('error', () => undefined)
    try {
      const inside = connect({ host: '127.0.0.1', port: Number(readJson('gateway.json')['port']), allowHalfOpen: true })
      inside.on('error', () => visitor.destroy())
      visitor.on('close', () => inside.destroy())
      inside.on('close', () => visitor.destroy())
      visitor.pipe(inside).pipe(visitor)
    } catch {
      visitor.destroy() // no gateway yet
    }
  })
  door.maxConnections = 256
  door.on('error', (error) => process.stderr.write(`the door ${file} cannot be opened: ${error.message}\n`))
  door.listen(file)
}

if (doorFile !== '') openDoor(doorFile)
const lines = createInterface({ input: process.stdin })
lines.on('line', (line) => void answer(line))
lines.on('close', () => process.exit(0))
