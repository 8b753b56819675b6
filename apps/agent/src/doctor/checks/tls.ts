import tls from 'node:tls'
import type { Finding } from '@thatdam/protocol/doctor'
import type { Check, CheckContext } from '../check.ts'
import { fail, ok, reasonOf, warn } from '../finding.ts'
import { interceptorOf } from '../parse/interceptor.ts'

const NAME = 'TLS'
const LIMIT_MS = 2_500
const NO_WAY = /^(ENOTFOUND|EAI_AGAIN|ECONNREFUSED|EHOSTUNREACH|ENETUNREACH|ETIMEDOUT)$/

/** Whether the certificate that arrives here is the cloud's own, or somebody between opens the connection. */
export const check: Check = {
  name: NAME,
  limitMs: 5_500,
  run: async (context) => {
    const { cloud } = context
    if (cloud?.protocol !== 'https:') return []
    try {
      return [judge(await shake(cloud), cloud, context)]
    } catch (error) {
      // That there is no way there is said by the lines DNS and Cloud.
      if (NO_WAY.test(reasonOf(error))) return []
      return [
        warn(
          NAME,
          `${cloud.host} does not speak TLS with this machine (${reasonOf(error)}).`,
          `Try: openssl s_client -connect ${cloud.hostname}:${cloud.port || 443} -servername ${cloud.hostname}`,
        ),
      ]
    }
  },
}

export interface Shown {
  /** Node's word for what is wrong with the chain; null: nothing. */
  readonly error: string | null
  /** The same chain against what this system trusts besides. */
  readonly systemTrusts: boolean
  /** From the server's certificate up. */
  readonly issuers: readonly string[]
  readonly selfSigned: boolean
}

function judge(shown: Shown, cloud: URL, { machine, env }: CheckContext): Finding {
  const by = shown.issuers.at(-1) ?? 'unknown'
  const interceptor = interceptorOf(shown.issuers)
  const keepFile = machine.platform === 'linux' ? '/etc/thatdam/agent.env (or agent.env in the state directory)' : 'the agent’s environment'
  const trust = `To let the agent trust what this system trusts: NODE_USE_SYSTEM_CA=1 in ${keepFile}, then restart it. Better: have ${cloud.hostname} exempted from inspection.`
  const trustsSystem = env.childEnvironment['NODE_USE_SYSTEM_CA'] === '1' || env.childEnvironment['NODE_EXTRA_CA_CERTS'] !== undefined
  if (shown.error === null) {
    if (interceptor !== null)
      return warn(
        NAME,
        `Connections to ${cloud.host} are opened on the way by ${interceptor}, and this machine accepts that. Tokens are safe: the cloud proves its own key besides.`,
        `Have ${cloud.hostname} exempted from inspection.`,
      )
    return ok(NAME, `${cloud.host} shows a certificate of ${by}${trustsSystem ? ', with this system’s authorities trusted too' : ''}.`)
  }
  if (interceptor !== null || shown.systemTrusts)
    return fail(
      NAME,
      `Somebody between opens connections to ${cloud.host}: the certificate that arrives is made by ${interceptor ?? `“${by}”, which this system trusts and the public does not`}. The agent refuses it.`,
      trust,
    )
  switch (shown.error) {
    case 'CERT_HAS_EXPIRED':
    case 'CERT_NOT_YET_VALID':
      return fail(
        NAME,
        `The certificate of ${cloud.host} is ${shown.error === 'CERT_HAS_EXPIRED' ? 'no longer' : 'not yet'} valid by this machine’s clock.`,
        'See the line Clock first; when that is right, renew the certificate on the server.',
      )
    case 'ERR_TLS_CERT_ALTNAME_INVALID':
      return fail(
        NAME,
        `What answers as ${cloud.host} has a certificate for another name: a log-in page of the network, or a wrong address.`,
        `Open ${cloud.origin} in a browser: sign in to the network if it asks, else correct the address.`,
      )
    default:
      return fail(
        NAME,
        shown.selfSigned
          ? `${cloud.host} shows a certificate that it signed itself.`
          : `${cloud.host} shows a certificate by “${by}”, an authority that nobody here knows (${shown.error}). Either it is your own, or somebody between opens the connection.`,
        `When it is your own: NODE_EXTRA_CA_CERTS=/path/to/ca.pem in ${keepFile}, then restart the agent. When it is not: do not register here.`,
      )
  }
}

async function shake(cloud: URL): Promise<Shown> {
  const plain = await connect(cloud, null)
  if (plain.error === null) return plain
  return { ...plain, systemTrusts: (await connect(cloud, tls.getCACertificates('system')).catch(() => null))?.error === null }
}

function connect(cloud: URL, ca: readonly string[] | null): Promise<Shown> {
  const host = cloud.hostname.replace(/^\[|\]$/g, '')
  return new Promise((resolve, reject) => {
    const socket = tls.connect({
      host,
      port: Number(cloud.port || 443),
      // An address is no name to ask for.
      ...(/^[\d.]+$|:/.test(host) ? {} : { servername: host }),
      ...(ca ? { ca: [...ca] } : {}),
      // It is looked at, nothing is sent through it.
      rejectUnauthorized: false,
    })
    const timer = setTimeout(() => socket.destroy(new Error(`no answer within ${LIMIT_MS / 1000} s`)), LIMIT_MS)
    socket.once('close', () => clearTimeout(timer))
    socket.once('error', reject)
    socket.once('secureConnect', () => {
      const certificate = socket.getPeerCertificate(true)
      const error = socket.authorizationError as unknown
      const issuers = issuersOf(certificate)
      resolve({
        error: socket.authorized ? null : error instanceof Error ? reasonOf(error) : String(error),
        systemTrusts: false,
        issuers,
        selfSigned: certificate.fingerprint256 === certificate.issuerCertificate?.fingerprint256,
      })
      socket.destroy()
    })
  })
}

/** What each issuer calls itself, from the server's certificate up; at most eight. */
function issuersOf(certificate: tls.DetailedPeerCertificate): string[] {
  const issuers: string[] = []
  for (let at = certificate, count = 0; at !== undefined && count < 8; count += 1) {
    const { O, CN } = at.issuer ?? {}
    issuers.push([O, CN].flat().filter(Boolean).join(', ') || 'nobody by name')
    if (at.issuerCertificate === at) break
    at = at.issuerCertificate
  }
  return issuers
}
