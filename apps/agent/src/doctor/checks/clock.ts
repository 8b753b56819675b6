import type { Finding } from '@thatdam/protocol/doctor'
import type { Check, CheckContext } from '../check.ts'
import { fail, ok, warn } from '../finding.ts'
import { askDate } from '../http-date.ts'
import type { Machine } from '../machine.ts'
import { parseChrony, parseSntpSeconds, parseTimedatectl, parseW32tm, type TimeService } from '../../facts/parse/time-service.ts'

const NAME = 'Clock'
/** Ring time forgives more; people compare recordings by their time of day. */
const WARN_SECONDS = 10
/** A join token lives 15 minutes: a clock beyond a third of that makes joining a matter of luck. */
const FAIL_SECONDS = 300
const MEMBERS_ASKED_MAX = 8

/** This machine's clock against the cloud's and the ring's, and whether anything keeps it right. */
export const check: Check = {
  name: NAME,
  limitMs: 5_500,
  run: async (context) => {
    const [apart, service] = await Promise.all([compareAll(context), timeService(context.machine)])
    const wrong = apart.filter(({ seconds }) => Math.abs(seconds) > WARN_SECONDS)
    // Whoever agrees with most others is right; one that is away alone is not our fault.
    const ours = wrong.length * 2 > apart.length
    const findings = ours
      ? [offFinding(wrong.toSorted((a, b) => Math.abs(b.seconds) - Math.abs(a.seconds))[0] ?? { who: '', seconds: 0 }, context.machine)]
      : wrong.map(({ who, seconds }) =>
          warn(
            NAME,
            `The clock of ${who} is ${Math.abs(seconds)} s ${seconds > 0 ? 'behind' : 'ahead'}, this machine’s agrees with the others.`,
            `Run there: ${syncCommand(context.machine)}`,
          ),
        )
    return [...findings, ...serviceFindings(service, apart, context.machine), ...(findings.length === 0 ? agreement(apart) : [])]
  },
}

interface Apart {
  readonly who: string
  /** Whole seconds that our clock is ahead of theirs. */
  readonly seconds: number
}

async function compareAll({ cloud, agent }: CheckContext): Promise<Apart[]> {
  const members = (agent?.members ?? []).filter((member) => !member.self && member.awake).slice(0, MEMBERS_ASKED_MAX)
  const asked = [
    ...(cloud ? [{ who: cloud.host, url: cloud }] : []),
    ...members.flatMap(({ name, consoleUrl }) => {
      const url = consoleUrl === null ? null : URL.parse(consoleUrl)
      return url ? [{ who: name, url }] : []
    }),
  ]
  const answers = await Promise.all(asked.map(async ({ who, url }) => ({ who, seconds: await secondsAhead(url) })))
  return answers.flatMap(({ who, seconds }) => (seconds === null ? [] : [{ who, seconds }]))
}

/** Null: it does not answer, which another check says. */
async function secondsAhead(url: URL): Promise<number | null> {
  const sentAtMs = Date.now()
  const dateMs = await askDate(url, { timeoutMs: 3_500, anyCertificate: true }).catch(() => null)
  // The header's second begins anywhere between asking and answering.
  return dateMs === null ? null : Math.round((sentAtMs + Date.now()) / 2000 - dateMs / 1000)
}

function offFinding({ who, seconds }: Apart, machine: Machine): Finding {
  const message = `This machine’s clock is ${Math.abs(seconds)} s ${seconds > 0 ? 'ahead of' : 'behind'} ${who}’s.`
  return (Math.abs(seconds) > FAIL_SECONDS ? fail : warn)(NAME, message, syncCommand(machine))
}

function agreement(apart: readonly Apart[]): Finding[] {
  if (apart.length === 0) return []
  const most = Math.max(...apart.map(({ seconds }) => Math.abs(seconds)))
  return [ok(NAME, `Within ${Math.max(1, most)} s of ${apart.map(({ who }) => who).join(', ')}.`)]
}

function serviceFindings(service: TimeService | number | null, apart: readonly Apart[], machine: Machine): Finding[] {
  if (typeof service === 'number')
    return Math.abs(service) > WARN_SECONDS
      ? [offFinding({ who: 'the time server', seconds: -Math.round(service) }, machine)]
      : [ok(NAME, `Within ${Math.max(1, Math.ceil(Math.abs(service)))} s of the time server.`)]
  if (service === null) return apart.length > 0 ? [] : [ok(NAME, `${new Date().toISOString()}; there is nobody here to compare it with.`)]
  if (!service.enabled)
    return [warn(NAME, 'Nothing keeps this machine’s clock right: its time service is switched off.', enableCommand(machine))]
  if (!service.synchronized)
    return [
      warn(
        NAME,
        'The time service runs but has not reached a time server yet.',
        `Wait a minute; then ${statusCommand(machine)}. UDP port 123 must be let out.`,
      ),
    ]
  return [ok(NAME, 'Follows a time server.')]
}

/** What keeps the clock; a number: seconds that it must be moved by, where only that can be asked. Null: nobody says. */
async function timeService(machine: Machine): Promise<TimeService | number | null> {
  if (machine.platform === 'win32') {
    const status = await machine.run('w32tm', ['/query', '/status'])
    return parseW32tm(status.stdout + status.stderr, status.code)
  }
  if (machine.platform === 'darwin') return parseSntpSeconds((await machine.run('/usr/bin/sntp', ['-t', '2', 'time.apple.com'])).stdout)
  return (
    parseTimedatectl((await machine.run('timedatectl', ['show'])).stdout) ??
    parseChrony((await machine.run('chronyc', ['-n', 'tracking'])).stdout)
  )
}

function syncCommand({ platform }: Machine): string {
  if (platform === 'win32') return 'w32tm /resync (as administrator)'
  return platform === 'darwin' ? 'sudo sntp -sS time.apple.com' : 'sudo timedatectl set-ntp true'
}

function enableCommand({ platform }: Machine): string {
  if (platform === 'win32') return 'sc config w32time start= auto & net start w32time & w32tm /resync (as administrator)'
  return platform === 'darwin' ? 'sudo systemsetup -setusingnetworktime on' : 'sudo timedatectl set-ntp true'
}

const statusCommand = ({ platform }: Machine): string =>
  platform === 'win32' ? 'w32tm /query /status' : platform === 'darwin' ? 'sntp time.apple.com' : 'timedatectl timesync-status'
