import { type Abuse, closed, openSocket, pause, workers } from './abuse.ts'

/** More than a port takes in all, so that honest ones find no room unless each address has a share. */
const CONNECTIONS = 700
/** For the other abuses: it uses up what strangers may do. */
const HEAD_START_MS = 1_500

/** Connections that say nothing at all. */
export const abuse: Abuse = {
  name: 'half-open',
  on: ['http', 'tls'],
  run: async (port, context) => {
    await pause(HEAD_START_MS, context.signal)
    await workers(CONNECTIONS, context, async () => {
      await closed(await openSocket(port, context), 600_000, context)
    })
  },
}
