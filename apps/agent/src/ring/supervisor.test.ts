import { createServer, type ServerResponse } from 'node:http'
import { connect, type AddressInfo, type Socket } from 'node:net'
import { generateKey } from '@thatdam/control/keys'
import type { LocalMember } from '@thatdam/protocol/local'
import { afterEach, expect, test } from 'vitest'
import { Version } from '../state/version.ts'
import { until } from '../testing/until.ts'
import { PlanBook } from './plan-book.ts'
import { Supervisor } from './supervisor.ts'

/** More than the system takes for somebody who does not read. */
const FILLING = 'x'.repeat(16 * 1024 * 1024)

const endings: (() => unknown)[] = []
afterEach(async () => {
  for (const end of endings.splice(0).toReversed()) await end()
})

interface Listened {
  readonly listener: Socket
  readonly response: ServerResponse
  /** Tells of one more change. */
  readonly rename: (name: string) => void
}

/** A leader of one machine, and a program that asked for its events and does not read them. */
async function listen(standsMsMax?: number): Promise<Listened> {
  const version = new Version()
  const machine = { nodeId: 'pi', name: `first ${FILLING}`, reported: null } as unknown as LocalMember
  const supervisor = new Supervisor({
    version,
    book: new PlanBook(generateKey()),
    orderTerm: () => ({ number: 1, nodeId: 'pi' }),
    members: () => [machine],
    ...(standsMsMax === undefined ? {} : { standsMsMax }),
  })
  const asked: ServerResponse[] = []
  const server = createServer((_request, response) => {
    asked.push(response)
    void supervisor.answer('/v1/events', response)
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  endings.push(() => new Promise((resolve) => server.close(resolve)))
  const listener = connect((server.address() as AddressInfo).port, '127.0.0.1').pause()
  listener.on('error', () => {})
  endings.push(() => listener.destroy())
  listener.write('GET /v1/events HTTP/1.1\r\nhost: x\r\n\r\n')
  const response = await until('the first event waits', () => asked.find((one) => one.writableNeedDrain))
  const rename = (name: string): void => {
    machine.name = `${name} ${FILLING}`
    version.bump()
  }
  return { listener, response, rename }
}

test('a listener that takes nothing is cut, and until then no more waits for it than one state of the ring', async () => {
  const { response, rename } = await listen(1_000)
  let count = 0
  let mostBytes = 0
  const isCut = (): boolean => {
    rename(String((count += 1)))
    mostBytes = Math.max(mostBytes, response.writableLength)
    return response.destroyed
  }
  await until('it is cut', isCut, 4_000)
  expect(mostBytes).toBeLessThan(1.5 * FILLING.length)
})

test('one that reads again in time goes on, and hears how things are by then', async () => {
  const { listener, response, rename } = await listen()
  for (const name of ['second', 'third', 'fourth']) rename(name)
  let heard = ''
  listener.on('data', (bytes: Buffer) => (heard += bytes.toString('latin1').replaceAll('x', ''))).resume()
  await until('the last change', () => heard.includes('"name":"fourth '))
  expect(heard.match(/"name":"\w+/g)).toEqual(['"name":"first', '"name":"fourth'])
  expect(response.destroyed).toBe(false)
})
