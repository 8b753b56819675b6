import { Sha256Hex } from '@thatdam/protocol/ids'
import { ThatdamError } from '@thatdam/protocol/errors'
import type { ServiceConfig } from '@thatdam/protocol/local'
import { openBlobStore } from '@thatdam/store/blob-store'
import { Derivatives } from '@thatdam/store/derivatives'
import { openIndexDb } from '@thatdam/store/index-db'
import { Locations } from '@thatdam/store/locations'
import { PreviewReader } from '../../blobs/preview-reader.ts'
import { runChild } from '../child.ts'
import { answerMedia } from './routes.ts'

/** A changed original asks for a walk; many at once (an edited folder) ask once. */
const RESCAN_EVERY_MS = 10_000

runChild(async (context) => {
  const { config } = context
  const store = await openBlobStore(config.casRoot)
  const db = openIndexDb(config.stateDir)
  const derivatives = new Derivatives(db)
  const others = new PreviewReader(config.stateDir)
  const parts = {
    store,
    derivatives,
    others,
    locations: new Locations(db),
    indexPaths: config.indexPaths,
    onSourceChanged: rescanRequests(config),
  }
  context.onStop(() => {
    others.close()
    db.close()
  })
  context.onCommand(async (command, params) => {
    if (command !== 'verify') throw new ThatdamError('NOT_FOUND', `The media service has no command "${command}".`)
    const sha256 = Sha256Hex.safeParse(params['sha256'])
    if (!sha256.success) throw new ThatdamError('BAD_REQUEST', 'verify needs the sha256 of a blob: 64 lower-case hex digits.')
    const result = await store.verify(sha256.data)
    if (result !== 'ok') derivatives.lost(sha256.data)
    return { result }
  })
  await context.listen((request) => answerMedia(parts, request))
})

function rescanRequests(config: ServiceConfig): () => void {
  let askedAtMs = 0
  return () => {
    if (Date.now() - askedAtMs < RESCAN_EVERY_MS) return
    askedAtMs = Date.now()
    fetch(`${config.localUrl}/local/services/indexer/command`, {
      method: 'POST',
      headers: { authorization: `Bearer ${config.localToken}`, 'content-type': 'application/json' },
      body: JSON.stringify({ command: 'rescan', params: {} }),
    }).then(
      (answer) => answer.body?.cancel(),
      (error: unknown) => console.error('the indexer could not be asked to look again', error),
    )
  }
}
