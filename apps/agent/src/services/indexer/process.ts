import { join } from 'node:path'
import { openIndexDb } from '@thatdam/store/index-db'
import { ThatdamError } from '@thatdam/protocol/errors'
import { runChild } from '../child.ts'
import { Indexer } from './indexer.ts'

runChild(async (context) => {
  const { config } = context
  const db = openIndexDb(config.stateDir)
  const idleReason = config.indexPaths.length === 0 ? 'No folder is chosen yet: choose one in Settings.' : ''
  const indexer = new Indexer({
    db,
    nodeId: config.nodeId,
    indexPaths: config.indexPaths,
    casRoot: config.casRoot,
    stateDir: config.stateDir,
    ffprobePath: config.ffprobePath,
    maxParallel: Math.max(2, config.maxParallel),
    linkFolder: join(config.stateDir, 'indexer-links'),
    signal: context.signal,
    appendOps: (bodies) => context.appendOps(bodies),
    status: (status) => context.status(status),
    remark: (sentence) => context.running(sentence ?? idleReason),
  })
  context.onCommand((command) => {
    switch (command) {
      case 'pause':
      case 'resume':
        indexer.setPaused(command === 'pause')
        return Promise.resolve({})
      case 'rescan':
        indexer.rescan()
        return Promise.resolve({})
      case 'retry':
        return Promise.resolve({ files: indexer.retry() })
      default:
        return Promise.reject(new ThatdamError('NOT_FOUND', `The indexer has no command "${command}".`))
    }
  })
  const running = indexer.run().then(
    () => db.close(),
    (error: unknown) => {
      console.error(error)
      process.exit(1)
    },
  )
  context.onStop(() => running)
  context.running(idleReason)
})
