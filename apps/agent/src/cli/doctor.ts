import { parseArgs } from 'node:util'
import { examine } from '../doctor/examine.ts'
import type { Finding } from '../doctor/finding.ts'
import type { CliCommand } from './context.ts'

const HELP = `thatdam doctor: looks for what is wrong on this machine, and says what to do. It changes nothing, and takes less than 10 s.
Exit code 0 when nothing failed, 1 else.

  --json    the same, for programs`

const MARKS = { ok: '✓', warn: '!', fail: '✗' } as const

export const run: CliCommand = async (argv, context) => {
  const { values } = parseArgs({ args: [...argv], options: { json: { type: 'boolean' }, help: { type: 'boolean', short: 'h' } } })
  if (values.help) {
    context.out(HELP)
    return 0
  }
  const findings = await examine(context.env)
  const failed = findings.filter((finding) => finding.state === 'fail').length
  if (values.json) context.out(JSON.stringify({ ok: failed === 0, findings }, null, 2))
  else for (const line of describe(findings, failed)) context.out(line)
  return failed === 0 ? 0 : 1
}

function describe(findings: readonly Finding[], failed: number): string[] {
  const width = Math.max(...findings.map((finding) => finding.name.length))
  const lines = findings.flatMap(({ name, state, message, fix }) => [
    `${MARKS[state]} ${name.padEnd(width)}  ${message}`,
    ...(fix === null ? [] : [`  ${' '.repeat(width)}  → ${fix}`]),
  ])
  const warned = findings.filter((finding) => finding.state === 'warn').length
  const summary = failed > 0 ? `${failed} failed.` : warned > 0 ? 'Nothing failed.' : 'All is well.'
  return [...lines, '', summary]
}
