import dns from 'node:dns/promises'
import http from 'node:http'
import https from 'node:https'
import net from 'node:net'
import { readCredential } from '../state/credential.ts'
import { statePaths } from '../state/paths.ts'
import { fail, type Finding, ok, reasonOf, warn } from './finding.ts'

const REQUEST_LIMIT_MS = 4_000
/** Ring time forgives more; people compare recordings by their time of day. */
const CLOCK_WARN_SECONDS = 10
/** A join token lives 15 minutes: a clock beyond a third of that makes joining a matter of luck. */
const CLOCK_FAIL_SECONDS = 300

/** Name resolution, reachability and clock of the cloud that this machine is registered with. */
export async function checkCloud(stateDir: string, configuredUrl: string | null): Promise<Finding[]> {
  const credential = await readCredential(statePaths(stateDir).credential).catch((error: unknown) => error as Error)
  if (credential instanceof Error) return [fail('Cloud', credential.message, 'thatdam unregister, then register again with a new token')]
  const address = credential?.url ?? configuredUrl
  if (!address) return [ok('Cloud', 'Not registered: this machine runs by itself. To join: thatdam register --url ADDRESS --token TOKEN')]
  const url = new URL(address)
  const name = await checkName(url.hostname)
  if (name.state === 'fail') return [name]
  return [name, ...(await checkAnswer(url))]
}

export async function checkName(hostname: string): Promise<Finding> {
  const bare = hostname.replace(/^\[|\]$/g, '')
  if (net.isIP(bare)) return ok('DNS', `Not needed: the cloud’s address is ${bare}.`)
  try {
    const { address } = await dns.lookup(bare)
    return ok('DNS', `${bare} is ${address}.`)
  } catch (error) {
    return fail(
      'DNS',
      `The name ${bare} cannot be resolved (${reasonOf(error)}).`,
      'Check this machine’s network and its DNS server (resolvectl status, or /etc/resolv.conf).',
    )
  }
}

export async function checkAnswer(url: URL, now: () => number = Date.now): Promise<Finding[]> {
  try {
    const sentAt = now()
    const date = await askDate(url)
    // The header's second begins anywhere between asking and answering.
    const seconds = Math.round((sentAt + now()) / 2000 - date / 1000)
    return [ok('Cloud', `${url.origin} answers.`), clockFinding(seconds, url)]
  } catch (error) {
    const fix = `Is it running, and may this machine reach it? Try: curl -I ${url.origin}`
    return [fail('Cloud', `${url.origin} does not answer (${reasonOf(error)}). What runs here goes on without it.`, fix)]
  }
}

function clockFinding(seconds: number, url: URL): Finding {
  const away = Math.abs(seconds)
  if (away <= CLOCK_WARN_SECONDS) return ok('Clock', `Within ${Math.max(1, away)} s of the cloud’s.`)
  const message = `This machine’s clock is ${away} s ${seconds > 0 ? 'ahead of' : 'behind'} ${url.host}’s.`
  const fix =
    process.platform === 'win32'
      ? 'w32tm /resync'
      : process.platform === 'darwin'
        ? 'sudo sntp -sS time.apple.com'
        : 'sudo timedatectl set-ntp true'
  return away > CLOCK_FAIL_SECONDS ? fail('Clock', message, fix) : warn('Clock', message, fix)
}

/** Unix milliseconds of the answer's Date header. */
function askDate(url: URL): Promise<number> {
  return new Promise((resolve, reject) => {
    const request = (url.protocol === 'https:' ? https : http).request(new URL('/', url), {
      method: 'HEAD',
      timeout: REQUEST_LIMIT_MS,
      agent: false,
    })
    request.once('timeout', () => request.destroy(new Error('no answer within 4 s')))
    request.once('error', reject)
    request.once('response', (response) => {
      response.resume()
      const date = Date.parse(response.headers.date ?? '')
      if (Number.isNaN(date)) reject(new Error('its answer has no date'))
      else resolve(date)
    })
    request.end()
  })
}
