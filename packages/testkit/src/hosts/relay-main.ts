import { startTcpRelay, startUdpRelay } from './relay.ts'

/*
 * A relay as a process of its own, to be started inside a host:
 *   node relay-main.ts udp '{"listen":{"address":"10.77.0.1","port":7701},"target":{…},"faults":{"seed":1,"lossRatio":0.2,"delayMs":[5,50]}}'
 * Prints the port that it bound, and ends with its host.
 */
const [kind, json = ''] = process.argv.slice(2)
const start = kind === 'udp' ? startUdpRelay : startTcpRelay
const relay = await start(JSON.parse(json))
process.stdout.write(`${relay.port}\n`)
