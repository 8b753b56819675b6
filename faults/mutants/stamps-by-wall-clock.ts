import type { Mutant } from '../contract.ts'

export const mutant: Mutant = {
  plants: 'edits are stamped by the machine’s own clock',
  patches: [{ file: 'apps/agent/src/agent/agent.ts', find: 'clock: () => this.ring.part.clock.nowMs(),', replace: 'clock: Date.now,' }],
}
