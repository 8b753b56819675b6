import { runtime } from '../../../runtime.ts'
import { nothing, route } from '../../../web/route.ts'

export const POST = route(async ({ person }) => {
  await runtime().accounts.signOutEverywhere(person)
  return nothing()
})
