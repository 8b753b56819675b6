import { signedIn } from '../trpc.ts'

export const list = signedIn.query(({ ctx }) => ctx.hub.current().agent?.members ?? [])
