import { runtime } from '../../../runtime.ts'
import { answer, route } from '../../../web/route.ts'
import { visitor } from '../../../web/session.ts'

export const GET = route(async ({ person }) =>
  answer(200, { nodes: await runtime().nodes.list(person.organisationId, (await visitor()).machine) }),
)
