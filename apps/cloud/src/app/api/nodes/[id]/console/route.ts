import { runtime } from '../../../../../runtime.ts'
import { notFound, route } from '../../../../../web/route.ts'
import { visitor } from '../../../../../web/session.ts'

/** Sends the browser to the node's own console with a hand-off that works once, for a minute. */
export const POST = route(async ({ person, id }) => {
  const url = await runtime().nodes.consoleUrl(person, id, (await visitor()).machine)
  return url === null
    ? notFound()
    : new Response(null, { status: 303, headers: { location: url, 'cache-control': 'no-store', 'referrer-policy': 'no-referrer' } })
})
