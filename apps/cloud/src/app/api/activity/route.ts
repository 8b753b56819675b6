import { runtime } from '../../../runtime.ts'
import { answer, refuse, route } from '../../../web/route.ts'

/** `?before=<id of an entry>`: what is older than it. */
export const GET = route(async ({ request, person }) => {
  const before = new URL(request.url).searchParams.get('before')
  if (before !== null && !/^\d{1,18}$/.test(before)) return refuse('BAD_REQUEST', 'before must be the id of an entry.')
  return answer(200, await runtime().activity.page(person.organisationId, before === null ? null : BigInt(before)))
})
