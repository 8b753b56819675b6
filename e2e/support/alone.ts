/** The environment of agents that look for nobody: loopback, any port, no multicast on the network of the machine that runs the tests. */
export const ALONE = { NODE_API_PORT: '0', NODE_API_BIND: '127.0.0.1', DISCOVERY_BACKEND: 'static' } as const
