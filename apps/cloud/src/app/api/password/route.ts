import * as z from 'zod'
import { Password } from '../../../domain/credentials.ts'
import { runtime } from '../../../runtime.ts'
import { nothing, readBody, route } from '../../../web/route.ts'
import { visitor } from '../../../web/session.ts'

const Change = z.strictObject({ current: z.string().max(256), next: Password })

export const POST = route(
  async ({ request, person }) => {
    const { accounts, limits } = runtime()
    const { peer } = await visitor()
    await limits.signIn(peer, person.email)
    await accounts.changePassword(person, await readBody(request, Change))
    await limits.signedIn(peer, person.email)
    return nothing()
  },
  { beforeFirstPassword: true },
)
