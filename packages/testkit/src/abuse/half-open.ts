import { type Abuse, closed, openSocket, workers } from './abuse.ts'

/** More than a port takes in all, so that honest ones find no room unless each address has a share. */
const CONNECTIONS = 700

/** Connections that say nothing at all. */
export const abuse: Abuse = {
  name: 'half-open',
  on: ['http', 'tls'],
  run: (port, context) =>
    workers(CONNECTIONS, context, async () => {
      await closed(await openSocket(port, context), 600_000, context)
    }),
}
