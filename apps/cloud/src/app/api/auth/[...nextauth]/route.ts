import NextAuth from 'next-auth'
import { runtime } from '../../../../runtime.ts'
import { authOptions } from '../../../../web/auth-options.ts'
import { openRoute } from '../../../../web/route.ts'
import { visitor } from '../../../../web/session.ts'

type Context = { params: Promise<{ nextauth: string[] }> }
type Handler = (request: Request, context: Context) => Promise<Response>
const nextAuth: Handler = (request, context) => (NextAuth(authOptions()) as Handler)(request, context)

export const GET = nextAuth

/** next-auth's own, with a limit on guessing in front of the password check. */
export async function POST(request: Request, context: Context): Promise<Response> {
  const { nextauth } = await context.params
  if (nextauth.join('/') !== 'callback/credentials') return nextAuth(request, context)
  return openRoute(async () => {
    const form = new URLSearchParams((await request.clone().text()).slice(0, 8192))
    const email = (form.get('email') ?? '').trim().toLowerCase().slice(0, 254)
    const { peer } = await visitor()
    const { limits } = runtime()
    await limits.signIn(peer, email)
    const response = await nextAuth(request, context)
    if (response.headers.getSetCookie().some((cookie) => cookie.includes('session-token='))) await limits.signedIn(peer, email)
    return response
  })(request)
}
