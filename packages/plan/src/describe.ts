import { canonicalJson } from '@thatdam/protocol/canonical'
import type { PlanBody } from '@thatdam/protocol/plan'
import { planBodyHash } from './body-hash.ts'
import type { Synthesis } from './synthesis/synthesise.ts'

const SERVICE_COLUMN = 28

/** A layout for people, no line wider than `columns` characters (names longer than that aside). */
export function describeText(layout: Synthesis, columns: number): string {
  const lines: string[] = [headline(layout)]
  for (const body of inOrder(layout)) {
    lines.push('', `${body.nodeId} · ${roleText(body)} · ${planBodyHash(body).slice(0, 12)}`)
    for (const service of body.services) {
      const label = service.mode === 'full' ? service.name : `${service.name} (${service.mode})`
      lines.push(...hanging(`  ${label}`.padEnd(SERVICE_COLUMN), service.why, columns))
    }
    lines.push(...hanging('  shares'.padEnd(SERVICE_COLUMN), shareText(body), columns))
    for (const camera of body.cameras) lines.push(...hanging('  camera'.padEnd(SERVICE_COLUMN), camera.name, columns))
  }
  if (layout.warnings.length > 0) lines.push('', 'To look at:')
  for (const warning of layout.warnings) lines.push(...hanging('  ! ', warning.sentence, columns))
  return lines.join('\n')
}

/** One line: who leads, every body with its hash, and the warnings. */
export function describeJson(layout: Synthesis): string {
  return canonicalJson({
    leader: layout.leader,
    standbys: layout.standbys,
    plans: inOrder(layout).map((body) => ({ bodyHash: planBodyHash(body), body })),
    warnings: layout.warnings.map((warning) => ({ ...warning })),
  })
}

function headline(layout: Synthesis): string {
  if (layout.leader === null) return 'No machine leads: each works for itself.'
  if (layout.standbys.length === 0) return `${layout.leader} leads; no other machine stands by.`
  return `${layout.leader} leads; ${layout.standbys.join(', then ')} would take over.`
}

/** The leader first, then the standbys in their order, then the others by id. */
function inOrder(layout: Synthesis): PlanBody[] {
  const first = [layout.leader, ...layout.standbys]
  const place = (body: PlanBody): number => (first.includes(body.nodeId) ? first.indexOf(body.nodeId) : first.length)
  return [...layout.plans.values()].toSorted((a, b) => place(a) - place(b))
}

const roleText = (body: PlanBody): string => (body.standby ? `${body.role}, stands by` : body.role)

function shareText(body: PlanBody): string {
  const { quotas, storage } = body
  const jobs = [
    counted(quotas.maxDerives, 'preview', 'previews'),
    counted(quotas.maxTranscodes, 'conversion', 'conversions'),
    counted(quotas.maxIntel, 'analysis', 'analyses'),
  ].filter((text) => text !== '')
  const work = jobs.length === 0 ? 'no work for others' : `at most ${jobs.join(', ')} at once`
  const copies = storage.weight === 0 ? 'keeps no copies for others' : `keeps copies (weight ${storage.weight}, ${storage.replicas} wanted)`
  return `${work}; ${quotas.cpuReservePercent} % of the processor stays free; ${copies}`
}

const counted = (count: number, one: string, many: string): string => (count === 0 ? '' : `${count} ${count === 1 ? one : many}`)

/** `text` wrapped into `columns`, the first line after `label`, the others below it. */
function hanging(label: string, text: string, columns: number): string[] {
  const indent = ' '.repeat(label.length)
  const lines: string[] = []
  let line = label
  for (const word of text.split(' ')) {
    const isStart = line === label || line === indent
    if (!isStart && line.length + 1 + word.length > columns) {
      lines.push(line)
      line = indent + word
    } else line += isStart ? word : ` ${word}`
  }
  return [...lines, line]
}
