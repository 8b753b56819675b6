import * as z from 'zod'
import { Email, Password } from '../../../domain/credentials.ts'
import { runtime } from '../../../runtime.ts'
import { answer, openRoute, readBody } from '../../../web/route.ts'
import { visitor } from '../../../web/session.ts'

const SignUp = z.strictObject({ email: Email, password: Password })

export const POST = openRoute(async (request) => {
  const { accounts, limits } = runtime()
  const { peer } = await visitor()
  await limits.signUp(peer)
  const { email, password } = await readBody(request, SignUp)
  await accounts.signUp({ email, password, address: peer })
  return answer(201, { email })
})
