import { request as httpRequest } from 'node:http'

export interface Answer {
  status: number
  headers: Record<string, string | string[] | undefined>
  text: string
  /** Parsed; the caller knows the shape. */
  // oxlint-disable-next-line typescript/no-unnecessary-type-parameters
  json<T>(): T
}
export interface Ask {
  method?: string
  /** Sent as it is: nothing resolves its dots. */
  path: string
  body?: string | object
  headers?: Record<string, string>
  /** Source address, to come as somebody else: any of 127.0.0.0/8. */
  from?: string
}

/** One request over a socket of its own. */
export function ask(base: string, { method = 'GET', path, body, headers = {}, from }: Ask): Promise<Answer> {
  const { hostname, port } = new URL(base)
  const text = body === undefined ? undefined : typeof body === 'string' ? body : JSON.stringify(body)
  const type: Record<string, string> = typeof body === 'object' ? { 'content-type': 'application/json' } : {}
  if (text !== undefined) type['content-length'] = String(Buffer.byteLength(text))
  return new Promise((resolve, reject) => {
    const request = httpRequest(
      {
        hostname,
        port,
        method,
        path,
        agent: false,
        headers: { ...type, ...headers },
        ...(from === undefined ? {} : { localAddress: from }),
      },
      (response) => {
        let received = ''
        response.setEncoding('utf8').on('data', (chunk: string) => (received += chunk))
        response.on('end', () => {
          const { statusCode: status = 0, headers: got } = response
          resolve({ status, headers: got, text: received, json: () => JSON.parse(received) })
        })
      },
    )
    request.on('error', reject)
    request.end(text)
  })
}

/** A signed-in person: requests of a browser's own page, with its cookie. */
export class Browser {
  readonly base: string
  /** Name by which the server is addressed, as in the address bar. */
  readonly host: string
  cookie = ''
  constructor(base: string, host = new URL(base).host) {
    this.base = base
    this.host = host
  }

  async ask(given: Ask): Promise<Answer> {
    const headers = { host: this.host, cookie: this.cookie, ...(given.method ? { origin: `http://${this.host}` } : {}), ...given.headers }
    const answer = await ask(this.base, { ...given, headers })
    const jar = new Map(
      this.cookie
        .split('; ')
        .filter(Boolean)
        .map((pair) => [pair.split('=')[0], pair] as const),
    )
    for (const set of [answer.headers['set-cookie'] ?? []].flat()) {
      const pair = set.split(';')[0] ?? ''
      jar.set(pair.split('=')[0], pair)
    }
    this.cookie = [...jar.values()].join('; ')
    return answer
  }

  async signIn(email: string, password: string, from?: string): Promise<Answer> {
    const { csrfToken } = (await this.ask({ path: '/api/auth/csrf' })).json<{ csrfToken: string }>()
    return this.ask({
      method: 'POST',
      path: '/api/auth/callback/credentials',
      body: new URLSearchParams({ csrfToken, email, password, json: 'true', callbackUrl: '/nodes' }).toString(),
      headers: { 'content-type': 'application/x-www-form-urlencoded' },
      ...(from === undefined ? {} : { from }),
    })
  }

  async signOut(): Promise<Answer> {
    const { csrfToken } = (await this.ask({ path: '/api/auth/csrf' })).json<{ csrfToken: string }>()
    return this.ask({
      method: 'POST',
      path: '/api/auth/signout',
      body: new URLSearchParams({ csrfToken, json: 'true' }).toString(),
      headers: { 'content-type': 'application/x-www-form-urlencoded' },
    })
  }
}

export const PASSWORD = 'correct horse battery'

export async function signedUp(base: string, email: string): Promise<Browser> {
  const browser = new Browser(base)
  const made = await browser.ask({ method: 'POST', path: '/api/sign-up', body: { email, password: PASSWORD } })
  if (made.status !== 201) throw new Error(`sign-up: ${made.status} ${made.text}`)
  const entered = await browser.signIn(email, PASSWORD)
  if (entered.status !== 200) throw new Error(`sign-in: ${entered.status} ${entered.text}`)
  return browser
}
