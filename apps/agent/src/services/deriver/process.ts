import { ThatdamError } from '@thatdam/protocol/errors'
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
    maxParallel: config.maxParallel,
    signal: context.signal,
    readOps: (after, waitMs, limit) => context.readOps(after, waitMs, limit),
    appendOps: (bodies) => context.appendOps(bodies),
    status: (status) => context.status(status),
    waiting: (reason) => context.waiting(reason),
    running: (reason) => context.running(reason),
  })
  context.onCommand((command) => {
    switch (command) {
      case 'pause':
      case 'resume':
        deriver.setPaused(command === 'pause')
        return Promise.resolve({})
      case 'retry':
        return Promise.resolve({ derivatives: deriver.retry() })
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
