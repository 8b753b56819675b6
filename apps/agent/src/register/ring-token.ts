import { verifySignature } from '@thatdam/control/keys'
import { buildRingHello, buildRingJoinRequest, ringJoinError, verifyRingHello, verifyRingJoinResponse } from '@thatdam/control/ring-join'
import { foldRoster } from '@thatdam/control/roster'
import type { JoinToken } from '@thatdam/control/token'
import { Discovery } from '@thatdam/discovery/all'
import { parseBackend, parseSeeds, usualMethods } from '@thatdam/discovery/methods'
import { parseHostPort, resolveHost } from '@thatdam/discovery/resolve'
import { NODE_PORT } from '@thatdam/protocol/discovery'
import { ThatdamError } from '@thatdam/protocol/errors'
import { ClusterId } from '@thatdam/protocol/ids'
import { RingHelloResponse, RingJoinResponse } from '@thatdam/protocol/ring-join'
import type { RosterRecord } from '@thatdam/protocol/roster'
import { callAgent } from '../cli/local-client.ts'
import type { Env } from '../env.ts'
import { Addresses, type LinkAddress } from '../link/addresses.ts'
import { NodeClient } from '../link/client.ts'
import { writeRoster } from '../ring/roster-store.ts'
import { defaultAllowedRoots, writeAllowedRoots } from '../state/allowed-roots.ts'
import type { Identity } from '../state/identity.ts'
import { statePaths } from '../state/paths.ts'
import type { Ring } from '../state/ring.ts'
import { openMachine, type Registered, type RegisterOptions } from './register.ts'

/** How long the machine that made the token is looked for. */
const LOOK_MS = 20_000
const LOOK_AGAIN_MS = 300
const CALL_MS = 10_000

/** A token that a ring's admitter made, named by the ring's id; all others are the cloud's. */
export const isRingToken = ({ scope }: JoinToken): boolean => ClusterId.safeParse(scope).success

/** `url`: of the machine that made the token, `host`, `host:port` or a URL; null when it was not given and is to be found. */
export type RingTokenOptions = Omit<RegisterOptions, 'url'> & { readonly url: string | null }

/**
 * Redeems a ring's own token with the machine that made it, without a cloud. Every machine of the ring that is near is asked; only the one that
 * made the token knows it. What proves the ring is in the answers, not in the address.
 * @throws ThatdamError with a sentence for the person.
 */
export async function joinByRingToken(options: RingTokenOptions): Promise<Registered> {
  const { env, token } = options
  const paths = statePaths(env.stateDir)
  const { identity, ring, running } = await openMachine(paths, env)
  const known = ring.fingerprint.startsWith(token.fingerprint)
  if (!known) requireAlone(ring)
  const records = known ? null : await redeem(options, identity)
  await writeAllowedRoots(paths.allowed, options.allowedRoots ?? defaultAllowedRoots(env.indexPaths ?? []))
  if (records !== null) {
    const told = running ? await callAgent(env.stateDir, 'POST', '/local/ring', { records }) : null
    if (told === null) await writeRing(paths.roster, records)
  }
  return { kind: known ? 'same' : 'new', nodeId: identity.nodeId, organisation: 'the ring', running, waitsFor: null }
}

/** Before the token is used: it would be used for nothing. */
function requireAlone({ genesis, later, fingerprint }: Ring): void {
  if ((foldRoster([genesis, ...later], fingerprint, verifySignature)?.members.size ?? 1) === 1) return
  throw new ThatdamError(
    'CONFLICT',
    'This machine is in a ring with other machines. Take it out there first (thatdam leave), then join the other ring. The token is still good.',
  )
}

async function writeRing(path: string, records: readonly RosterRecord[]): Promise<void> {
  const [genesis, ...later] = records
  if (genesis?.body.kind !== 'genesis') throw new Error('the records do not begin with the genesis record')
  await writeRoster(path, { genesis: { ...genesis, body: genesis.body }, later })
}

async function redeem({ env, token, url }: RingTokenOptions, identity: Identity): Promise<readonly RosterRecord[]> {
  const client = new NodeClient(identity.key, identity.nodeId, new Addresses({ sighted: () => [] }))
  try {
    const given = url === null ? [] : await addressesOf(url, env)
    // The installer names the cloud app that it came from, which knows no token of a ring.
    const found = (await firstThatKnows(given, token, client)) ?? (await findMinter(env, token, { client, identity }))
    if (found !== null) return await join(found, token, { client, identity })
    throw new ThatdamError(
      'UNAVAILABLE',
      url === null
        ? 'The machine that made this token was not found on this network. Check that both machines are on the same network, or name it: thatdam register --url <its address> --token …'
        : `No machine that knows this token answers at ${url}, and none was found on this network. Check the address: it is that of the machine which made the token.`,
    )
  } finally {
    client.close()
  }
}

interface Minter {
  readonly address: LinkAddress
  readonly hello: RingHelloResponse
  readonly ring: ReturnType<typeof verifyRingHello>
}

async function ask(client: NodeClient, address: LinkAddress, at: { path: string; body: unknown }): Promise<unknown> {
  return (await client.call({ publicKey: null, method: 'POST', ...at, timeoutMs: CALL_MS }, [address])).body
}

async function firstThatKnows(addresses: readonly LinkAddress[], token: JoinToken, client: NodeClient): Promise<Minter | null> {
  for (const address of addresses) {
    const sent = buildRingHello(token)
    const answer = await ask(client, address, { path: '/v1/join/hello', body: sent }).catch(() => null)
    const hello = RingHelloResponse.safeParse(answer)
    if (!hello.success || hello.data.knowsToken !== true) continue
    return { address, hello: hello.data, ring: verifyRingHello(hello.data, sent, token) }
  }
  return null
}

async function join(
  { address, hello, ring }: Minter,
  token: JoinToken,
  own: { client: NodeClient; identity: Identity },
): Promise<RosterRecord[]> {
  const { key, nodeId } = own.identity
  const request = buildRingJoinRequest({ token, hello, ring, node: key, nodeId, bootCounter: 0 })
  const answer = await ask(own.client, address, { path: '/v1/join', body: request }).catch((error: unknown) => {
    throw error instanceof ThatdamError ? ringJoinError(error) : error
  })
  return verifyRingJoinResponse(RingJoinResponse.parse(answer), request).records
}

/** `host`, `host:port`, or the URL of a console or node API, of which only the host counts. */
async function addressesOf(url: string, env: Env): Promise<LinkAddress[]> {
  const port = env.node.port || NODE_PORT
  const place =
    URL.canParse(url) && /^https?:/.test(url) ? { host: new URL(url).hostname.replace(/^\[|\]$/g, ''), port } : parseHostPort(url, port)
  if (place === null) throw new ThatdamError('BAD_REQUEST', `${url} is no address of a machine. Write host, host:port or [IPv6]:port.`)
  return (await resolveHost(place.host)).map((address) => ({ address, port: place.port }))
}

/** Looks around by every way of finding machines, until the one that made the token has answered. */
async function findMinter(env: Env, token: JoinToken, own: { client: NodeClient; identity: Identity }): Promise<Minter | null> {
  const discovery = lookout(env, own.identity)
  await discovery.start()
  try {
    for (const endsAtMs = performance.now() + LOOK_MS; performance.now() < endsAtMs;) {
      const near = discovery.sightings().filter(({ fingerprint, claimed }) => claimed && fingerprint.startsWith(token.fingerprint))
      const found = await firstThatKnows(
        near.flatMap(({ addresses }) => addresses.slice(0, 2)),
        token,
        own.client,
      )
      if (found !== null) return found
      await new Promise((resolve) => setTimeout(resolve, LOOK_AGAIN_MS))
    }
    return null
  } finally {
    await discovery.stop()
  }
}

/** Not on the port of the node API, which a running agent holds. */
function lookout(env: Env, { nodeId, key }: Identity): Discovery {
  const { node } = env
  return new Discovery({
    self: {
      nodeId,
      publicKey: key.publicKey,
      clusterId: '00000000-0000-4000-8000-000000000000',
      fingerprint: '0'.repeat(64),
      claimed: false,
      role: 'worker',
      term: null,
      port: node.port || NODE_PORT,
      consolePort: null,
      boot: 0,
    },
    sign: (domain, value) => key.sign(domain, value),
    verify: verifySignature,
    isMember: () => false,
    methods: usualMethods({
      backend: parseBackend(node.backend),
      nodePort: node.port || NODE_PORT,
      seeds: parseSeeds(node.seeds, node.port || NODE_PORT),
      hint: node.upstream,
      memory: null,
      ask: null,
      exchange: null,
      ...(node.mdnsService === null ? {} : { mdnsService: node.mdnsService }),
    }),
    port: 0,
    bindAddress: node.bindAddress,
    log: () => {},
  })
}
