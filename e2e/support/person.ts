import { request, type APIRequestContext } from '@playwright/test'

export const PASSWORD = 'correct horse battery'

/** Somebody with an account in the cloud app, by its HTTP routes: where a story is not about the pages. */
export class Person {
  private readonly base: string
  private readonly context: APIRequestContext

  private constructor(base: string, context: APIRequestContext) {
    this.base = base
    this.context = context
  }

  static async signUp(base: string, email: string): Promise<Person> {
    const context = await request.newContext({ extraHTTPHeaders: { origin: new URL(base).origin } })
    const made = await context.post(`${base}/api/sign-up`, { data: { email, password: PASSWORD } })
    if (made.status() !== 201) throw new Error(`sign-up: ${made.status()} ${await made.text()}`)
    const { csrfToken } = (await (await context.get(`${base}/api/auth/csrf`)).json()) as { csrfToken: string }
    const form = { csrfToken, email, password: PASSWORD, json: 'true', callbackUrl: '/nodes' }
    const entered = await context.post(`${base}/api/auth/callback/credentials`, { form })
    if (entered.status() !== 200) throw new Error(`sign-in: ${entered.status()} ${await entered.text()}`)
    return new Person(base, context)
  }

  /** A fresh join token. */
  async token(choice: { lifeMinutes?: number; machines?: number } = {}): Promise<string> {
    const made = await this.context.post(`${this.base}/api/tokens`, { data: choice })
    if (made.status() !== 201) throw new Error(`token: ${made.status()} ${await made.text()}`)
    return ((await made.json()) as { text: string }).text
  }

  async nodes(): Promise<{ id: string; nodeId: string }[]> {
    const answer = (await (await this.context.get(`${this.base}/api/nodes`)).json()) as { nodes: { id: string; nodeId: string }[] }
    return answer.nodes
  }

  async removeNode(id: string): Promise<void> {
    const removed = await this.context.delete(`${this.base}/api/nodes/${id}`, { data: {} })
    if (removed.status() !== 204) throw new Error(`remove: ${removed.status()} ${await removed.text()}`)
  }

  async close(): Promise<void> {
    await this.context.dispose()
  }
}
