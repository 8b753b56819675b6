import { TokenChoice } from '../../../domain/token-choice.ts'
import { runtime } from '../../../runtime.ts'
import { answer, readBody, route } from '../../../web/route.ts'

export const GET = route(async ({ person }) => answer(200, { tokens: await runtime().tokens.open(person.organisationId) }))

/** A fresh join token. Its text is in this answer and nowhere else. */
export const POST = route(async ({ request, person }) => {
  const { tokens, limits } = runtime()
  const choice = await readBody(request, TokenChoice)
  await limits.makeToken(person.id)
  return answer(201, await tokens.make(person, choice))
})
