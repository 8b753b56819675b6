import { createSocket } from 'node:dgram'
import { ThatdamError } from '@thatdam/protocol/errors'
import { NodeServer } from '../link/server.ts'
import type { RingPart, RingPartPorts } from './ring-part.ts'

const PORTS_TRIED = 20

/**
 * The node API on the wanted port, or the next of 20 that is free for both TCP and UDP: two agents on one machine (a demo, a test) each have
 * their own, and announce it.
 */
export async function openNodePort(ports: RingPartPorts, part: () => RingPart): Promise<NodeServer> {
  const { env, identity, store, log } = ports
  for (let tried = 0; ; tried += 1) {
    const port = env.node.port === 0 ? 0 : env.node.port + tried
    try {
      const server = await NodeServer.open({
        key: identity.key,
        nodeId: identity.nodeId,
        port,
        bindAddress: env.node.bindAddress,
        memberOf: (publicKey) => store.memberByKey(publicKey),
        wasMember: (publicKey) => store.wasMember(publicKey),
        routes: () => part().routes(),
        onStranger: (publicKey, address) => part().refused(publicKey, address),
        onProved: (publicKey) => part().proved(publicKey),
        log: (message, error) => log.error(message, error),
      })
      if (await isFreeForDatagrams(server.port, env.node.bindAddress)) return server
      await server.close()
      throw new ThatdamError('CONFLICT', `UDP port ${port} is taken by another program.`)
    } catch (error) {
      if (!(error instanceof ThatdamError) || error.code !== 'CONFLICT' || tried + 1 >= PORTS_TRIED) throw error
      log.info(`${error.message} The next port is tried.`)
    }
  }
}

function isFreeForDatagrams(port: number, bindAddress: string | null): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = createSocket({ type: 'udp4' })
    socket.once('error', () => resolve(false))
    socket.bind(port, bindAddress ?? '0.0.0.0', () => socket.close(() => resolve(true)))
  })
}
