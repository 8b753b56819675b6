import { createSocket } from 'node:dgram'
import http from 'node:http'
import net from 'node:net'
import type { Finding } from '@thatdam/protocol/doctor'
import type { Check, CheckContext } from '../check.ts'
import { fail, ok, reasonOf, warn } from '../finding.ts'
import type { Machine } from '../machine.ts'
import { type Holder, parseLsof, parseNetstatPid, parseSs, parseTasklist } from '../parse/listeners.ts'

/** The agent's own doors: free, ours, or whose. */
export const check: Check = {
  name: 'Ports',
  limitMs: 5_500,
  run: async (context) =>
    await Promise.all([
      checkConsolePort(context),
      checkNodePort({ protocol: 'tcp', port: context.nodePort }, context),
      checkNodePort({ protocol: 'udp', port: context.nodePort }, context),
    ]),
}

interface Door {
  readonly protocol: 'tcp' | 'udp'
  readonly port: number
}

/** The agent takes the next free one when it is taken, so that is only worth a warning. */
async function checkConsolePort({ consolePort: port, agent, machine }: CheckContext): Promise<Finding> {
  const door: Door = { protocol: 'tcp', port }
  const reason = await whyTaken(door)
  if (reason === null) return ok(nameOf(door), 'Free for the console.')
  if (reason === 'EACCES') return fail(nameOf(door), 'This user may not listen on it.', 'Set SERVICE_PORT to a number above 1023.')
  const node = await nodeBehind(port)
  if (node !== null && node === agent?.node.nodeId) return ok(nameOf(door), 'This machine’s console.')
  const who = node === null ? whoHas(await holderOf(door, machine)) : `Another ThatDAM node (${node}) has it`
  return warn(
    nameOf(door),
    `${who}: the console takes the next free port.`,
    `To choose one: SERVICE_PORT=${port + 1}. To see who has it: ${lookCommand(door, machine)}`,
  )
}

/** For the other machines of the ring. */
async function checkNodePort(door: Door, { agentPid, machine }: CheckContext): Promise<Finding> {
  const reason = await whyTaken(door)
  if (reason === null) return ok(nameOf(door), 'Free for the other machines of the ring.')
  if (reason === 'EACCES') return fail(nameOf(door), 'This user may not listen on it.', 'Set NODE_API_PORT to a number above 1023.')
  const holder = await holderOf(door, machine)
  if (agentPid !== null && (holder === null || holder.pid === agentPid)) return ok(nameOf(door), 'In use, as expected while an agent runs.')
  return warn(
    nameOf(door),
    `${whoHas(holder)}: the agent takes the next free one, where machines that were told this one (UPSTREAM_HOST, GOSSIP_JOIN) do not find it.`,
    holder ? endCommand(holder, machine) : `To see who has it: ${lookCommand(door, machine)}`,
  )
}

const nameOf = ({ protocol, port }: Door) => `Port ${port}${protocol === 'udp' ? '/udp' : ''}`
const whoHas = (holder: Holder | null) => (holder ? `${holder.program} (process ${holder.pid}) has it` : 'Another program has it')

function lookCommand({ protocol, port }: Door, { platform }: Machine): string {
  if (platform === 'win32') return `netstat -ano -p ${protocol.toUpperCase()} | findstr :${port}`
  if (platform === 'darwin') return `sudo lsof -nP -i${protocol.toUpperCase()}:${port}`
  return `sudo ss -${protocol === 'tcp' ? 'lt' : 'lu'}np 'sport = :${port}'`
}

const endCommand = ({ pid }: Holder, { platform }: Machine) =>
  platform === 'win32' ? `taskkill /PID ${pid}, then restart the agent` : `kill ${pid}, then restart the agent`

/** Who listens there, when the system tells this user. */
export async function holderOf({ protocol, port }: Door, machine: Machine): Promise<Holder | null> {
  if (machine.platform === 'win32') {
    const pid = parseNetstatPid((await machine.run('netstat', ['-ano', '-p', protocol.toUpperCase()])).stdout, protocol, port)
    if (pid === null) return null
    return (
      parseTasklist((await machine.run('tasklist', ['/FI', `PID eq ${pid}`, '/FO', 'CSV', '/NH'])).stdout) ?? {
        pid,
        program: `process ${pid}`,
      }
    )
  }
  if (machine.platform === 'linux') {
    const held = parseSs((await machine.run('ss', [protocol === 'tcp' ? '-ltnpH' : '-lunpH', `sport = :${port}`])).stdout)
    if (held) return held
  }
  const listening = protocol === 'tcp' ? ['-sTCP:LISTEN'] : []
  return parseLsof((await machine.run('lsof', ['-nP', `-i${protocol.toUpperCase()}:${port}`, ...listening, '-Fpc'])).stdout)
}

/** Null when it can be listened on, on every address; else the system's code. */
function whyTaken({ protocol, port }: Door): Promise<string | null> {
  return new Promise((resolve) => {
    if (protocol === 'udp') {
      const socket = createSocket({ type: 'udp4', reuseAddr: false })
      socket.once('error', (error) => {
        socket.close()
        resolve(reasonOf(error))
      })
      socket.bind(port, () => socket.close(() => resolve(null)))
    } else {
      const server = net.createServer()
      server.once('error', (error) => resolve(reasonOf(error)))
      server.listen({ port, exclusive: true }, () => server.close(() => resolve(null)))
    }
  })
}

/** The node id that GET /health tells there; null for anything else. */
function nodeBehind(port: number): Promise<string | null> {
  return new Promise((resolve) => {
    const request = http.get({ host: '127.0.0.1', port, path: '/health', agent: false }, (response) => {
      let text = ''
      response.on('data', (chunk: Buffer) => {
        if (text.length < 65_536) text += chunk.toString()
      })
      response.once('end', () => resolve(/"node_id"\s*:\s*"([a-z0-9-]{1,63})"/.exec(text)?.[1] ?? null))
      response.once('error', () => resolve(null))
    })
    // Of the whole: whatever listens there may answer for ever.
    const timer = setTimeout(() => request.destroy(new Error('late')), 2_000)
    request.once('close', () => clearTimeout(timer))
    request.once('error', () => resolve(null))
  })
}
