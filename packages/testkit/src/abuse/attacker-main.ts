import { type Attack, attack } from './attack.ts'

/* A process that misbehaves: `node attacker-main.ts '<Attack as JSON>'`. Prints what it did. */

const deeds = await attack(JSON.parse(process.argv[2] ?? '') as Attack)
process.stdout.write(JSON.stringify(deeds), () => process.exit(0))
