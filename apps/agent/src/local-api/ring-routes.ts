import type { IncomingMessage, ServerResponse } from 'node:http'
import {
  AdoptionId,
  EnterRingRequest,
  NewAdoptionRequest,
  NewJoinTokenRequest,
  RoamTicketRequest,
  UseRecoveryKeyRequest,
} from '@thatdam/protocol/ring-door'
import type {
  Adoption,
  JoinTokenList,
  NewJoinToken,
  NewKey,
  NewRecoveryKey,
  RoamTicket,
  UsedRecoveryKey,
} from '@thatdam/protocol/ring-door'
import type { RosterRecord } from '@thatdam/protocol/roster'
import { readBody, sendJson } from './http.ts'

/** Who comes into the ring and who leaves it, for the console and the command line. */
export interface RingRoutePorts {
  readonly joinTokens: () => Promise<JoinTokenList>
  readonly makeJoinToken: (request: NewJoinTokenRequest) => Promise<NewJoinToken>
  readonly revokeJoinToken: (id: string) => Promise<void>
  readonly removeMember: (nodeId: string) => Promise<void>
  readonly makeRecoveryKey: () => Promise<NewRecoveryKey>
  readonly useRecoveryKey: (words: string) => Promise<UsedRecoveryKey>
  /** The owner agrees that this ring goes over to the one with this fingerprint. */
  readonly goOver: (fingerprint: string) => Promise<void>
  readonly enter: (records: readonly RosterRecord[]) => Promise<void>
  readonly adopt: (publicKey: string) => Promise<Adoption>
  readonly answerAdoption: (id: string, answer: 'confirm' | 'cancel') => Promise<Adoption>
  /** A new key for this machine: once it is answered, `rekeyed` is called. */
  readonly rekey: () => Promise<NewKey>
  readonly rekeyed: () => void
  readonly roamTicket: (sessionId: string) => RoamTicket
}

type Handler = (asked: { request: IncomingMessage; response: ServerResponse; name: string; ports: RingRoutePorts }) => Promise<void>

const NO_CONTENT = (response: ServerResponse): void => void response.writeHead(204).end()

const ROUTES: readonly { readonly method: string; readonly path: RegExp; readonly run: Handler }[] = [
  {
    method: 'GET',
    path: /^\/local\/join-tokens$/,
    run: async ({ response, ports }) => sendJson(response, 200, await ports.joinTokens()),
  },
  {
    method: 'POST',
    path: /^\/local\/join-tokens$/,
    run: async ({ request, response, ports }) => {
      sendJson(response, 201, await ports.makeJoinToken(await readBody(request, NewJoinTokenRequest)))
    },
  },
  {
    method: 'DELETE',
    path: /^\/local\/join-tokens\/([A-Za-z0-9_-]{1,64})$/,
    run: async ({ response, name, ports }) => {
      await ports.revokeJoinToken(name)
      NO_CONTENT(response)
    },
  },
  {
    method: 'POST',
    path: /^\/local\/members\/([a-z0-9][a-z0-9-]{0,62})\/remove$/,
    run: async ({ response, name, ports }) => {
      await ports.removeMember(name)
      NO_CONTENT(response)
    },
  },
  {
    method: 'POST',
    path: /^\/local\/recovery-key$/,
    run: async ({ response, ports }) => sendJson(response, 201, await ports.makeRecoveryKey()),
  },
  {
    method: 'POST',
    path: /^\/local\/recovery-key\/use$/,
    run: async ({ request, response, ports }) => {
      sendJson(response, 200, await ports.useRecoveryKey((await readBody(request, UseRecoveryKeyRequest)).words))
    },
  },
  {
    method: 'POST',
    path: /^\/local\/rings\/([0-9a-f]{64})\/go-over$/,
    run: async ({ response, name, ports }) => {
      await ports.goOver(name)
      NO_CONTENT(response)
    },
  },
  {
    method: 'POST',
    path: /^\/local\/ring$/,
    run: async ({ request, response, ports }) => {
      await ports.enter((await readBody(request, EnterRingRequest)).records)
      NO_CONTENT(response)
    },
  },
  {
    method: 'POST',
    path: /^\/local\/adoptions$/,
    run: async ({ request, response, ports }) => {
      sendJson(response, 201, await ports.adopt((await readBody(request, NewAdoptionRequest)).publicKey))
    },
  },
  {
    method: 'POST',
    path: /^\/local\/adoptions\/([A-Za-z0-9_-]{1,64}\/(?:confirm|cancel))$/,
    run: async ({ response, name, ports }) => {
      const [id = '', answer] = name.split('/')
      sendJson(response, 200, await ports.answerAdoption(AdoptionId.parse(id), answer === 'confirm' ? 'confirm' : 'cancel'))
    },
  },
  {
    method: 'POST',
    path: /^\/local\/rekey$/,
    run: async ({ response, ports }) => {
      const made = await ports.rekey()
      response.once('close', ports.rekeyed)
      sendJson(response, 202, made)
    },
  },
  {
    method: 'POST',
    path: /^\/local\/tickets$/,
    run: async ({ request, response, ports }) => {
      sendJson(response, 201, ports.roamTicket((await readBody(request, RoamTicketRequest)).sessionId))
    },
  },
]

/** @returns false: this is none of its routes. */
export async function handleRingRoute(
  request: IncomingMessage,
  response: ServerResponse,
  at: { path: string; ports: RingRoutePorts },
): Promise<boolean> {
  for (const { method, path, run } of ROUTES) {
    const match = path.exec(at.path)
    if (!match || request.method !== method) continue
    await run({ request, response, name: match[1] ?? '', ports: at.ports })
    return true
  }
  return false
}
