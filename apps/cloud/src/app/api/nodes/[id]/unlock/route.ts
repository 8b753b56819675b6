import { runtime } from '../../../../../runtime.ts'
import { notFound, nothing, route } from '../../../../../web/route.ts'

export const POST = route(async ({ person, id }) => ((await runtime().nodes.unlock(person, id)) ? nothing() : notFound()))
