import { parseArgs } from 'node:util'
import { ThatdamError } from '@thatdam/protocol/errors'
import type { DoctorLine, DoctorReport, Finding } from '@thatdam/protocol/doctor'
import { examineFromBeside } from '../doctor/bystander.ts'
import type { Check } from '../doctor/check.ts'
import { CHECKS } from '../doctor/checks/all.ts'
import { examine, makeContext } from '../doctor/examine.ts'
import type { CliCommand, CliContext } from './context.ts'

const nameOf = ({ name }: Check) => name.toLowerCase().replaceAll(' ', '-')
const HELP = `thatdam doctor: looks for what is wrong on this machine, and says what to do. It changes nothing, and takes less than 10 s.
As root (sudo) it also sees the packet filter's rules and who has a port or a camera. Exit code 0 when nothing failed, 1 else.

  --only NAMES   only these checks, with commas: ${CHECKS.map((check) => nameOf(check)).join(', ')}
  --json         the same, for programs`

const MARKS = { ok: '✓', warn: '!', fail: '✗' } as const

export const run: CliCommand = async (argv, context) => {
  const { values } = parseArgs({
    args: [...argv],
    // --inside: the examining process itself (doctor/bystander.ts).
    options: {
      json: { type: 'boolean' },
      only: { type: 'string' },
      inside: { type: 'boolean' },
      help: { type: 'boolean', short: 'h' },
    },
  })
  if (values.help) {
    context.out(HELP)
    return 0
  }
  const only = values.only ?? null
  const checks = chosen(only)
  if (values.inside) return await examineInside(checks, context)
  const findings = await examineFromBeside({ environment: context.env.childEnvironment, only })
  const report: DoctorReport = { ok: findings.every((finding) => finding.state !== 'fail'), findings }
  if (values.json) context.out(JSON.stringify(report, null, 2))
  else for (const line of describe(report)) context.out(line)
  return report.ok ? 0 : 1
}

/** @throws ThatdamError for a name that is none. */
function chosen(only: string | null): readonly Check[] {
  if (only === null) return CHECKS
  return only.split(',').map((wanted) => {
    const check = CHECKS.find((one) => nameOf(one) === wanted.trim().toLowerCase())
    if (!check) throw new ThatdamError('BAD_REQUEST', `There is no check “${wanted}”. There are: ${CHECKS.map(nameOf).join(', ')}.`)
    return check
  })
}

async function examineInside(checks: readonly Check[], context: CliContext): Promise<number> {
  const tell = (line: DoctorLine) => context.out(JSON.stringify(line))
  tell({ checks: checks.map((check) => check.name) })
  await examine(checks, await makeContext(context.env), (check, findings) => tell({ check, findings }))
  // Exiting does not wait for what is still on its way.
  await new Promise<void>((resolve) => {
    process.stdout.write('', () => resolve())
  })
  return 0
}

function describe({ findings }: DoctorReport): string[] {
  const width = Math.max(...findings.map((finding) => finding.name.length))
  const lines = findings.flatMap(({ name, state, message, fix }) => [
    `${MARKS[state]} ${name.padEnd(width)}  ${message}`,
    ...(fix === null ? [] : [`  ${' '.repeat(width)}  → ${fix}`]),
  ])
  const count = (state: Finding['state']) => findings.filter((finding) => finding.state === state).length
  const summary = count('fail') > 0 ? `${count('fail')} failed.` : count('warn') > 0 ? 'Nothing failed.' : 'All is well.'
  return [...lines, '', summary]
}
