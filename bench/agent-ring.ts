import { PROFILE_NAMES } from '@thatdam/testkit/profiles/load'
import type { RingMachine } from '@thatdam/testkit/ring/machine'
import { TestRing } from '@thatdam/testkit/ring/ring'
import { median, round, type Bench } from './contract.ts'
import { memoryOf, pause, processorMs, requireAgentBuild, temporaryDirectory } from './support.ts'

const LIMIT_PERCENT = 1
/** Programs that are not there are looked for ever less often. */
const REST_MS = 30_000
const SAMPLE_MS = 30_000

/** The reference ring of five real agents at rest, with all that a ring has; their child services are not counted. */
export const agentRing: Bench = {
  name: 'agent-ring',
  about: 'five idle agents that are one ring: processor and memory of each agent’s own process (limit 1 % of a core)',
  async run({ quick, say }) {
    requireAgentBuild()
    if (process.platform !== 'linux') throw new Error('agent-ring reads /proc: it runs on Linux.')
    const directory = temporaryDirectory()
    const ring = await TestRing.up({ profiles: PROFILE_NAMES, directory: directory.path })
    const [workers, leader, anonymous, pss]: [number[], number[], number[], number[]] = [[], [], [], []]
    try {
      for (const machine of ring.machines) machine.start()
      await ring.settled({ limitMs: 120_000 })
      await pause(REST_MS)
      for (let sample = 0; sample < (quick ? 1 : 4); sample++) {
        const before = ring.machines.map((machine) => processorMs(pidOf(machine)))
        await pause(SAMPLE_MS)
        // Not who led first: a better one takes the lead over after a while.
        const { leader: led } = await ring.settled()
        for (const [place, machine] of ring.machines.entries()) {
          const percent = ((processorMs(pidOf(machine)) - (before[place] ?? 0)) / SAMPLE_MS) * 100
          const memory = memoryOf(pidOf(machine))
          ;(machine.name === led ? leader : workers).push(percent)
          anonymous.push(memory.anonymousMb)
          pss.push(memory.sharedPssMb)
          say(`${machine.name}: ${round(percent)} % of a core, ${round(memory.anonymousMb, 1)} MB anonymous`)
        }
      }
    } finally {
      await ring.down()
      directory.remove()
    }
    const ours = median(workers)
    return {
      name: 'agent-ring',
      unit: '% of a core, who does not lead',
      ours,
      limit: LIMIT_PERCENT,
      ratio: ours / LIMIT_PERCENT,
      samples: workers.length,
      more: {
        '% of a core, who leads': round(median(leader)),
        'anonymous MB': round(median(anonymous)),
        'PSS MB as the kernel counts it, the binary shared by all': round(median(pss)),
      },
    }
  },
}

const pidOf = (machine: RingMachine): number => machine.pid ?? 0
