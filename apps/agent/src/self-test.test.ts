import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { afterEach, expect, test } from 'vitest'
import { LOCAL_TOKEN_HEADER } from '@thatdam/protocol/local'
import { askHealth } from './self-test.ts'

let server: Server
afterEach(() => {
  server.closeAllConnections()
  server.close()
})

/** A service that answers the question so; status 0: never. */
async function serviceThat(status: number, body: string): Promise<string> {
  server = createServer((request, response) => {
    if (status === 0) return
    const asked = request.url === '/-/health' && request.headers[LOCAL_TOKEN_HEADER] === 'token'
    response.writeHead(asked ? status : 418, { location: '/auth/signin' }).end(body)
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`
}

test.each([
  ['is well', 200, '{"ok":true,"reason":""}', null],
  ['says what is missing', 200, '{"ok":false,"reason":"No database."}', 'No database.'],
  ['does not know the agent', 401, '{}', 'It answered the question for its health with 401.'],
  ['has a defect', 500, 'oops', 'It answered the question for its health with 500.'],
  ['is a console of before the question', 303, '', null],
  ['never answers', 0, '', 'no answer within 5 s'],
])('a service that %s', async (_what, status, body, expected) => {
  const answer = await askHealth(await serviceThat(status, body), 'token')
  if (expected === null) expect(answer).toBeNull()
  else expect(answer).toContain(expected)
})

test('a service that is not there', async () => {
  const url = await serviceThat(200, '{}')
  await new Promise((resolve) => server.close(resolve))
  expect(await askHealth(url, 'token')).toContain('nothing answers at that address and port')
})
