import os from 'node:os'
import { parseArgs } from 'node:util'
import { agentMemory } from './agent-memory.ts'
import { agentRing } from './agent-ring.ts'
import { agentStart } from './agent-start.ts'
import { assign } from './assign.ts'
import { round, type Bench, type BenchResult } from './contract.ts'
import { heldPolls } from './held-polls.ts'
import { ingest } from './ingest.ts'
import { placement } from './placement.ts'
import { plan1000 } from './plan-1000.ts'

/*
 * npm run bench -- NAME [--quick] [--json]     npm run bench -- --list
 * Prints for people; with --json the last line is the result as JSON. Never fails because a machine is slow.
 */

const BENCHES: readonly Bench[] = [agentMemory, agentRing, agentStart, ingest, plan1000, placement, assign, heldPolls]

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { json: { type: 'boolean' }, quick: { type: 'boolean' }, list: { type: 'boolean' } },
})

function machine(): string {
  const [cpu] = os.cpus()
  return `${os.cpus().length} × ${cpu?.model.trim() ?? 'unknown'}, ${Math.round(os.totalmem() / 2 ** 30)} GB, ${os.type()} ${os.release()}`
}

function show(result: BenchResult): void {
  console.log(`\n${result.name}: ${result.ours} ${result.unit}`)
  if (result.peer) console.log(`  ${result.peer.name}: ${result.peer.value} ${result.unit}`)
  if (result.limit !== undefined) console.log(`  limit: ${result.limit} ${result.unit}`)
  for (const [name, value] of Object.entries(result.more ?? {})) console.log(`  ${name}: ${value}`)
  console.log(`  ratio ${result.ratio}, ${result.samples} samples, ${result.machine}`)
}

if (values.list === true) {
  for (const bench of BENCHES) console.log(`${bench.name.padEnd(16)} ${bench.about}`)
  process.exit(0)
}
const wanted = BENCHES.filter((bench) => positionals.includes(bench.name))
const unknown = positionals.filter((name) => !BENCHES.some((bench) => bench.name === name))
if (wanted.length === 0 || unknown.length > 0) {
  console.error(
    `${unknown.length > 0 ? `There is no measurement "${unknown.join('", "')}".` : 'Name a measurement.'} npm run bench -- --list names all.`,
  )
  process.exit(64)
}
for (const bench of wanted) {
  const result: BenchResult = {
    ...(await bench.run({ quick: values.quick === true, say: (text) => console.log(`  ${text}`) })),
    machine: machine(),
  }
  const rounded = { ...result, ours: round(result.ours), ratio: round(result.ratio) }
  show(rounded)
  if (values.json === true) console.log(JSON.stringify(rounded))
}
