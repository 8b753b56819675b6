import http from 'node:http'
import https from 'node:https'

export interface AskOptions {
  readonly timeoutMs: number
  /** Also from a server whose certificate is not good: for looking, never for trusting. With a clock of 1970 no certificate is good yet. */
  readonly anyCertificate: boolean
}

/** Unix milliseconds of the Date header of any answer. @throws Error with a system code or a sentence. */
export function askDate(url: URL, { timeoutMs, anyCertificate }: AskOptions): Promise<number> {
  return new Promise((resolve, reject) => {
    const options = { method: 'HEAD', agent: false as const }
    const target = new URL('/', url)
    const request =
      url.protocol === 'https:' ? https.request(target, { ...options, rejectUnauthorized: !anyCertificate }) : http.request(target, options)
    // Of the whole, so that a server that sends a byte a second cannot hold it.
    const timer = setTimeout(() => request.destroy(new Error(`no answer within ${timeoutMs / 1000} s`)), timeoutMs)
    request.once('close', () => clearTimeout(timer))
    request.once('error', reject)
    request.once('response', (response) => {
      const date = Date.parse(response.headers.date ?? '')
      response.destroy()
      if (Number.isNaN(date)) reject(new Error('its answer has no date'))
      else resolve(date)
    })
    request.end()
  })
}
