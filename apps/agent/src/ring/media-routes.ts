import { ThatdamError } from '@thatdam/protocol/errors'
import { SESSION_HEADER, Session } from '@thatdam/protocol/local'
import type { ServiceName } from '@thatdam/protocol/plan'
import { passOn } from '../gateway/proxy.ts'
import { memberOf, type NodeCall, type NodeRoute } from '../link/server.ts'

export interface MediaRoutePorts {
  /** Base URL of a service of this machine; null while it does not run. */
  readonly urlOf: (service: ServiceName) => string | null
  readonly localToken: () => string
  /** Answers for the media service on a machine whose plan has none: it may still be the only one with the originals. */
  readonly answerMedia: (call: NodeCall, at: { readonly path: string; readonly session: Session }) => Promise<void>
  /** Leads the ring in this node's eyes. */
  readonly isLeader: (nodeId: string) => boolean
}

/**
 * Live pictures and media of this machine for the browser that the leader serves. Only for machines that may carry the console: a camera taken
 * from a shed opens nobody's library.
 */
export function mediaRoutes(ports: MediaRoutePorts): NodeRoute[] {
  const serve = (service: ServiceName) => async (call: NodeCall) => {
    const { nodeId, admitter } = memberOf(call)
    if (!admitter && !ports.isLeader(nodeId)) throw new ThatdamError('FORBIDDEN', `${nodeId} does not carry the console of this ring.`)
    const url = ports.urlOf(service)
    if (url === null && service === 'media-api') {
      await ports.answerMedia(call, { path: pathOf(call), session: sessionOf(call) })
      return null
    }
    if (url === null) throw new ThatdamError('UNAVAILABLE', 'This part of the machine does not run now.')
    passOn(call.request, call.response, { url, path: pathOf(call), localToken: ports.localToken(), session: sessionOf(call) })
    return null
  }
  return [
    { method: 'any', path: '/v1/live/', run: serve('camera-proxy') },
    { method: 'any', path: '/v1/media/', run: serve('media-api') },
  ]
}

const pathOf = ({ request }: NodeCall): string => (request.url ?? '').replace('/v1', '')

function sessionOf({ request }: NodeCall): Session {
  const text = Buffer.from(String(request.headers[SESSION_HEADER] ?? ''), 'base64url').toString('utf8')
  try {
    return Session.parse(JSON.parse(text))
  } catch (error) {
    throw new ThatdamError('BAD_REQUEST', 'The request does not say for whom it asks.', { cause: error })
  }
}
