import { join } from 'node:path'
import { NO_CREDENTIAL } from '@thatdam/control/credentials'
import { buildJoinRequest, makeNonce, verifyHello, verifyJoinResponse } from '@thatdam/control/join'
import { recordHash } from '@thatdam/control/roster'
import type { JoinToken } from '@thatdam/control/token'
import { ThatdamError } from '@thatdam/protocol/errors'
import type { NodeFacts } from '@thatdam/protocol/facts'
import { JoinHelloResponse, JoinResponse, type RingPlace } from '@thatdam/protocol/join'
import { errorOf } from '../cloud/cloud.ts'
import type { Env } from '../env.ts'
import { gatherFacts } from '../facts/gather.ts'
import { callJson } from '../http-client.ts'
import { AGENT_VERSION } from '../program.ts'
import { defaultAllowedRoots, writeAllowedRoots } from '../state/allowed-roots.ts'
import { readCredential, writeCredential } from '../state/credential.ts'
import { openIdentity, readIdentity, type Identity } from '../state/identity.ts'
import { settleKey } from '../state/key-replacement.ts'
import { takeLock } from '../state/lock.ts'
import { makeStateDir, statePaths, type StatePaths } from '../state/paths.ts'
import { forgetPendingRing, writePendingRing } from '../state/pending-ring.ts'
import { openRing, readRing, type Ring } from '../state/ring.ts'

const CALL_LIMIT_MS = 20_000

export interface RegisterOptions {
  readonly env: Env
  readonly url: string
  readonly token: JoinToken
  /** Null: the usual places. */
  readonly allowedRoots: readonly string[] | null
  readonly gather?: (options: Parameters<typeof gatherFacts>[0]) => Promise<NodeFacts>
}

export interface Registered {
  readonly kind: 'new' | 'same'
  readonly nodeId: string
  readonly organisation: string
  /** An agent runs on this state directory and takes the registration over by itself. */
  readonly running: boolean
  /** Node id of the machine that founded the ring which this one waits to be let into; null when it waits for none. */
  readonly waitsFor: string | null
}

/**
 * Redeems a join token for this machine: the server proves the pinned key, then this machine proves the token's seed and its
 * own key. Repeating it is harmless, also after a lost answer.
 * @throws ThatdamError with a sentence for the person.
 */
export async function register(options: RegisterOptions): Promise<Registered> {
  const { env, url, token } = options
  makeStateDir(env.stateDir)
  const paths = statePaths(env.stateDir)
  const { identity, ring, running } = await openMachine(paths, env)
  const known = await readCredential(paths.credential)
  const hello = await greet(url, token)
  const roots = options.allowedRoots ?? defaultAllowedRoots(env.indexPaths ?? [])
  const facts = await (options.gather ?? gatherFacts)(factsOptions(env))
  const request = buildJoinRequest({
    token,
    hello,
    node: identity.key,
    nodeId: identity.nodeId,
    genesis: ring.genesis,
    facts,
    allowedIndexRoots: roots.slice(0, 64),
    records: ring.later,
  })
  const answer = await callJson({ method: 'POST', url: `${url}/agent/v1/join`, body: request, timeoutMs: CALL_LIMIT_MS })
  if (answer.status !== 201 && answer.status !== 200) throw joinError(errorOf(answer, url))
  const joined = JoinResponse.parse(answer.body)
  verifyJoinResponse(joined, request)
  const isSame = known?.instanceKey === hello.serverKey && known.organisation.id === joined.organisation.id
  const waitsFor = await notePlace(paths, joined.ring, ring)
  await writeAllowedRoots(paths.allowed, roots)
  await writeCredential(paths.credential, {
    version: 1,
    url,
    instanceKey: hello.serverKey,
    organisation: joined.organisation,
    registeredAtMs: Date.now(),
    // The same cloud goes on counting where it was (THREATS 5); its token is asked for anew.
    access: isSame ? { ...known.access, accessToken: null, renewAtMs: 0, expiresAtMs: 0 } : NO_CREDENTIAL,
  })
  return { kind: isSame ? 'same' : 'new', nodeId: joined.nodeId, organisation: joined.organisation.name, running, waitsFor }
}

/** Before the credential: an agent that begins to poll with it knows what it waits for. */
async function notePlace(paths: StatePaths, place: RingPlace | undefined, ring: Ring): Promise<string | null> {
  if (place === undefined || recordHash(place.genesis.body) === ring.fingerprint) {
    await forgetPendingRing(paths.pendingRing)
    return null
  }
  const { appointedAtMs, genesis } = place
  const { clusterId, founder } = genesis.body
  const genesisHash = recordHash(genesis.body)
  await writePendingRing(paths.pendingRing, { version: 1, clusterId, genesisHash, appointedAtMs, sinceMs: Date.now() })
  return founder.nodeId
}

/** @throws ThatdamError UNAVAILABLE while an agent is just starting. Identity and ring: those of the agent that runs here, or, under the lock, made now. */
export async function openMachine(paths: StatePaths, env: Env): Promise<{ identity: Identity; ring: Ring; running: boolean }> {
  try {
    const lock = takeLock(paths)
    try {
      const identity = await settleKey(paths, await openIdentity(paths.identity, { nodeId: env.nodeId }))
      return { identity, ring: await openRing(paths.roster, identity, 0), running: false }
    } finally {
      lock.release()
    }
  } catch (error) {
    if (!(error instanceof ThatdamError) || error.code !== 'CONFLICT') throw error
    const [identity, ring] = [await readIdentity(paths.identity), await readRing(paths.roster)]
    if (!identity || !ring)
      throw new ThatdamError('UNAVAILABLE', 'The agent on this machine is just starting. Try again in a few seconds.', { cause: error })
    return { identity, ring, running: true }
  }
}

async function greet(url: string, token: JoinToken): Promise<JoinHelloResponse> {
  const sent = { version: 1 as const, clientNonce: makeNonce() }
  const answer = await callJson({ method: 'POST', url: `${url}/agent/v1/join/hello`, body: sent, timeoutMs: CALL_LIMIT_MS }).catch(
    (error: unknown) => {
      const reason = error instanceof Error ? error.message : String(error)
      throw new ThatdamError(
        'UNAVAILABLE',
        `${reason.replace(/[.]$/, '')}. Check that the cloud app runs and that this machine can reach it, then run the command again; the token is still good.`,
        { cause: error },
      )
    },
  )
  if (answer.status !== 200) throw joinError(errorOf(answer, url))
  const hello = JoinHelloResponse.safeParse(answer.body)
  if (!hello.success) {
    throw new ThatdamError(
      'BAD_REQUEST',
      `What answers at ${url} is not a ThatDAM cloud app. Copy the whole command from “Add machine” again.`,
    )
  }
  verifyHello(hello.data, sent, token.fingerprint)
  return hello.data
}

function factsOptions(env: Env): Parameters<typeof gatherFacts>[0] {
  return {
    agentVersion: AGENT_VERSION,
    bootCounter: 0,
    storeRoots: [env.casRoot],
    indexPaths: env.indexPaths ?? [],
    consolePort: env.servicePort,
    consoleBind: 'loopback',
    ffmpegPath: env.ffmpegPath,
    testCameras: env.testCameras,
    encoderCacheFile: join(env.stateDir, 'encoders.json'),
    factsFile: env.factsFile,
  }
}

/** The stranger's 401 says nothing on the wire; here it means one thing. */
function joinError(error: ThatdamError): ThatdamError {
  if (error.code !== 'UNAUTHENTICATED') return error
  return new ThatdamError(
    'UNAUTHENTICATED',
    'The cloud does not know this join token. It may have been deleted, or belong to another cloud app. Make a new one with “Add machine” and copy the whole command.',
    { cause: error },
  )
}
