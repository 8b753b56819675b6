/** Calls one of our own routes from a page. */
export interface Called<T> {
  ok: boolean
  status: number
  /** Null unless `ok` with a body. */
  value: T | null
  /** A sentence for the person; empty when `ok`. */
  message: string
}

const AWAY = 'The server does not answer. Look whether it runs and this machine is on its network, then try again.'

/** Never throws. A session that ended leads to the sign-in page. */
export async function call<T = unknown>(method: 'GET' | 'POST' | 'PATCH' | 'DELETE', path: string, body?: unknown): Promise<Called<T>> {
  let response: Response
  try {
    response = await fetch(path, {
      method,
      headers: { accept: 'application/json', ...(method === 'GET' ? {} : { 'content-type': 'application/json' }) },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    })
  } catch {
    return { ok: false, status: 0, value: null, message: AWAY }
  }
  if (response.status === 401) window.location.assign('/sign-in')
  const value: unknown = await response.json().catch(() => null)
  if (response.ok) return { ok: true, status: response.status, value: value as T | null, message: '' }
  const told = (value as { error?: { message?: string } } | null)?.error?.message
  return { ok: false, status: response.status, value: null, message: told ?? AWAY }
}

/** Signs in by next-auth's credentials. @returns a sentence when it did not work, else null. */
export async function signIn(email: string, password: string): Promise<string | null> {
  try {
    const { csrfToken } = (await (await fetch('/api/auth/csrf')).json()) as { csrfToken: string }
    const response = await fetch('/api/auth/callback/credentials', {
      method: 'POST',
      headers: { 'content-type': 'application/x-www-form-urlencoded' },
      body: new URLSearchParams({ csrfToken, email, password, json: 'true', callbackUrl: '/nodes' }),
    })
    if (response.ok) return null
    if (response.status === 401) return 'Address and password do not belong together. Check both and try again.'
    const told = (await response.json().catch(() => null)) as { error?: { message?: string } } | null
    return told?.error?.message ?? AWAY
  } catch {
    return AWAY
  }
}

export async function signOut(): Promise<void> {
  const { csrfToken } = (await (await fetch('/api/auth/csrf')).json()) as { csrfToken: string }
  await fetch('/api/auth/signout', {
    method: 'POST',
    headers: { 'content-type': 'application/x-www-form-urlencoded' },
    body: new URLSearchParams({ csrfToken, json: 'true', callbackUrl: '/' }),
  })
  window.location.assign('/')
}
