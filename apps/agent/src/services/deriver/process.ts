import type { Json } from '@thatdam/protocol/canonical'
import { ThatdamError } from '@thatdam/protocol/errors'
import { JobsOrder } from '@thatdam/protocol/jobs'
import { openBlobStore } from '@thatdam/store/blob-store'
import { openIndexDb } from '@thatdam/store/index-db'
import { runChild } from '../child.ts'
import { Deriver } from './deriver.ts'

runChild(async (context) => {
  const { config } = context
  const db = openIndexDb(config.stateDir)
  const deriver = new Deriver({
    db,
    store: await openBlobStore(config.casRoot),
    nodeId: config.nodeId,
    stateDir: config.stateDir,
    ffmpegPath: config.ffmpegPath,
    ffprobePath: config.ffprobePath,
    maxParallel: config.maxParallel,
    signal: context.signal,
    readOps: (after, waitMs, limit) => context.readOps(after, waitMs, limit),
    appendOps: (bodies) => context.appendOps(bodies),
    openSource: (sha256, asked, signal) => context.openSource(sha256, asked, signal),
    status: (status) => context.status(status),
    waiting: (reason) => context.waiting(reason),
    running: (reason) => context.running(reason),
  })
  context.onCommand((command, params) => {
    switch (command) {
      case 'pause':
      case 'resume':
        deriver.setPaused(command === 'pause')
        return Promise.resolve({})
      case 'retry':
        return Promise.resolve({ derivatives: deriver.retry() })
      case 'jobs':
        return ordered(deriver, params)
      default:
        return Promise.reject(new ThatdamError('NOT_FOUND', `The deriver has no command "${command}".`))
    }
  })
  const running = deriver.run().then(
    () => db.close(),
    (error: unknown) => {
      console.error(error)
      process.exit(1)
    },
  )
  context.onStop(() => running)
  context.running()
})

async function ordered(deriver: Deriver, params: Readonly<Record<string, Json>>): Promise<Json> {
  const order = JobsOrder.safeParse(params)
  if (!order.success) throw new ThatdamError('BAD_REQUEST', 'The jobs are not as expected. Update the machine that leads, or this one.')
  return deriver.order(order.data)
}
