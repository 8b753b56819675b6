import type { Mutant } from '../contract.ts'

const FILE = 'apps/agent/src/agent/agent.ts'

/** Its configuration names the term, and a changed configuration restarts a service. */
export const mutant: Mutant = {
  plants: 'recording starts anew when another machine leads',
  patches: [
    { file: FILE, find: '          serviceConfig(\n', replace: '          Object.assign(serviceConfig(\n' },
    {
      file: FILE,
      find: '            body,\n          ),\n        facts: () => this.facts,',
      replace:
        "            body,\n          ), planned.name === 'capture-daemon' ? { term: this.keeper.term.number } : {}),\n        facts: () => this.facts,",
    },
  ],
}
