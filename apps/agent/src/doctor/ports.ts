import http from 'node:http'
import net from 'node:net'
import { fail, type Finding, ok, reasonOf, warn } from './finding.ts'

/** The console's door: free, or ours. The agent takes the next free one when it is taken, so that is only worth a warning while it runs. */
export async function checkConsolePort(port: number, ownNodeId: string | null): Promise<Finding> {
  const name = `Port ${port}`
  const reason = await whyTaken(port)
  if (reason === null) return ok(name, 'Free for the console.')
  if (reason === 'EACCES') return fail(name, 'This user may not listen on it.', 'Set SERVICE_PORT to a number above 1023.')
  const holder = await nodeBehind(port)
  if (holder !== null && holder === ownNodeId) return ok(name, 'This machine’s console.')
  const who = holder === null ? 'Another program has it' : `Another ThatDAM node (${holder}) has it`
  return warn(
    name,
    `${who}: the console takes the next free port.`,
    `To choose one: SERVICE_PORT=${port + 1}. To see who has it: ss -ltnp 'sport = :${port}'`,
  )
}

/** 7700 TCP is for the other machines of the ring. */
export async function checkNodePort(port: number, agentRuns: boolean): Promise<Finding> {
  const name = `Port ${port}`
  const reason = await whyTaken(port)
  if (reason === null) return ok(name, 'Free for the other machines of the ring.')
  if (agentRuns) return ok(name, 'In use, as expected while an agent runs.')
  return warn(
    name,
    `Another program has it (${reason}): other machines could not reach this one.`,
    `To see who has it: ss -ltnp 'sport = :${port}'`,
  )
}

/** Null when it can be listened on, on every address; else the system's code. */
function whyTaken(port: number): Promise<string | null> {
  return new Promise((resolve) => {
    const server = net.createServer()
    server.once('error', (error) => resolve(reasonOf(error)))
    server.listen({ port, exclusive: true }, () => server.close(() => resolve(null)))
  })
}

/** The node id that GET /health tells there; null for anything else. */
function nodeBehind(port: number): Promise<string | null> {
  return new Promise((resolve) => {
    const request = http.get({ host: '127.0.0.1', port, path: '/health', timeout: 2_000, agent: false }, (response) => {
      let text = ''
      response.on('data', (chunk: Buffer) => {
        if (text.length < 65_536) text += chunk.toString()
      })
      response.once('end', () => resolve(/"node_id"\s*:\s*"([a-z0-9-]{1,63})"/.exec(text)?.[1] ?? null))
      response.once('error', () => resolve(null))
    })
    request.once('timeout', () => request.destroy())
    request.once('error', () => resolve(null))
  })
}
