import { runtime } from '../../../../runtime.ts'
import { answer, notFound, nothing, route } from '../../../../web/route.ts'

export const GET = route(async ({ person, id }) => {
  const progress = await runtime().tokens.progress(person.organisationId, id)
  return progress ? answer(200, progress) : notFound()
})

export const DELETE = route(async ({ person, id }) => ((await runtime().tokens.revoke(person, id)) ? nothing() : notFound()))
