/** The environment of an agent under test that looks for nobody: loopback, any port, and no multicast on the machine's own network. */
export const ALONE = { NODE_API_PORT: '0', NODE_API_BIND: '127.0.0.1', DISCOVERY_BACKEND: 'static' } as const
