import { listKnownCameras } from '@thatdam/catalog/search'
import { signedIn } from '../trpc.ts'

/** Every camera the ring has seen; which are live now is in the state. */
export const list = signedIn.query(({ ctx }) => listKnownCameras(ctx.pool))
