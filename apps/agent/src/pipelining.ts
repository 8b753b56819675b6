import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Socket } from 'node:net'

/** Browsers and our own clients wait for each answer before they ask again; a little more is allowed. */
const UNANSWERED_MAX = 8

const unanswered = new WeakMap<Socket, number>()

/**
 * Counts a connection's requests that wait for their answers. Whoever asks on and on without waiting, or never reads an answer, is cut off:
 * Node parses a thousand requests out of one packet, and all of them would lie in memory.
 * @returns false when the connection was cut, and nothing is to be done for this request.
 */
export function isPatient(request: IncomingMessage, response: ServerResponse): boolean {
  const { socket } = request
  const waiting = (unanswered.get(socket) ?? 0) + 1
  if (waiting > UNANSWERED_MAX || socket.destroyed) {
    socket.destroy()
    return false
  }
  unanswered.set(socket, waiting)
  response.once('close', () => unanswered.set(socket, (unanswered.get(socket) ?? 1) - 1))
  return true
}
