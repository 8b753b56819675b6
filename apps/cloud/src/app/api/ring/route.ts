import * as z from 'zod'
import { runtime } from '../../../runtime.ts'
import { answer, readBody, refuse, route } from '../../../web/route.ts'

const Change = z.strictObject({ rendezvous: z.boolean() })

/** The owner's settings of the organisation's ring. */
export const PATCH = route(async ({ request, person }) => {
  if (person.role !== 'owner') return refuse('FORBIDDEN', 'Only an owner of the organisation changes this.')
  const { rings } = runtime()
  const { rendezvous } = await readBody(request, Change)
  await rings.setRendezvous(person, rendezvous)
  return answer(200, await rings.view(person.organisationId))
})
