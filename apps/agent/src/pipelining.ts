import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Socket } from 'node:net'

/** Browsers and our own clients wait for each answer before they ask again; a little more is allowed. */
const UNANSWERED_MAX = 8

/** Of their headers, in characters, where more than one waits: with 512 connections that is 32 MB at the worst, a third of the heap. */
const UNANSWERED_TEXT_MAX = 64 * 1024
/** Headers beyond these are dropped: each is some objects, and 32 KB could be thousands of the shortest. Browsers send about twenty. */
export const HEADERS_MAX = 100

const unanswered = new WeakMap<Socket, { count: number; text: number }>()

/**
 * Counts a connection's requests that wait for their answers. Whoever asks on and on without waiting, or never reads an answer, is cut off:
 * Node parses a thousand requests out of one packet, and all of them would lie in memory.
 * @returns false when the connection was cut, and nothing is to be done for this request.
 */
export function isPatient(request: IncomingMessage, response: ServerResponse): boolean {
  const { socket } = request
  const waiting = unanswered.get(socket) ?? { count: 0, text: 0 }
  const text = textOf(request)
  const isTooMuch = waiting.count >= UNANSWERED_MAX || (waiting.count > 0 && waiting.text + text > UNANSWERED_TEXT_MAX)
  if (isTooMuch || socket.destroyed) {
    socket.destroy()
    return false
  }
  waiting.count += 1
  waiting.text += text
  unanswered.set(socket, waiting)
  response.once('close', () => {
    waiting.count -= 1
    waiting.text -= text
  })
  return true
}

const textOf = ({ url = '', rawHeaders }: IncomingMessage): number => rawHeaders.reduce((sum, word) => sum + word.length, url.length)
