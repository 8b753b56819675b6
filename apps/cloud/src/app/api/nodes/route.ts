import { runtime } from '../../../runtime.ts'
import { answer, route } from '../../../web/route.ts'
import { visitor } from '../../../web/session.ts'

export const GET = route(async ({ person: { organisationId } }) => {
  const { nodes, rings } = runtime()
  const { machine } = await visitor()
  const [list, ring] = await Promise.all([nodes.list(organisationId, machine), rings.view(organisationId)])
  return answer(200, { nodes: list, ring })
})
