import { listCameraModels } from '@thatdam/catalog/search'
import { signedIn } from '../trpc.ts'

/** Cameras that pictures were taken with, for the filter. */
export const cameraModels = signedIn.query(({ ctx }) => listCameraModels(ctx.pool))
