import { NodeSettingsPatch } from '@thatdam/protocol/settings'
import { runtime } from '../../../../runtime.ts'
import { answer, notFound, nothing, readBody, route } from '../../../../web/route.ts'
import { visitor } from '../../../../web/session.ts'

export const GET = route(async ({ person, id }) => {
  const node = await runtime().nodes.get(person.organisationId, id, (await visitor()).machine)
  return node ? answer(200, node) : notFound()
})

/** Takes settings and nothing else: a key that is none (role, organisation …) is refused whole. */
export const PATCH = route(async ({ request, person, id }) => {
  const patch = await readBody(request, NodeSettingsPatch)
  const node = await runtime().nodes.changeSettings(person, id, patch)
  return node ? answer(200, node) : notFound()
})

export const DELETE = route(async ({ person, id }) => ((await runtime().nodes.remove(person, id)) ? nothing() : notFound()))
