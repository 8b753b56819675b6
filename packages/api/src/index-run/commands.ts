import { ownerHere, signedIn } from '../trpc.ts'

/** Each answers when the indexer took it; its state follows. */
export const pause = ownerHere.mutation(({ ctx }) => ctx.agent.command('indexer', { command: 'pause', params: {} }))
export const resume = signedIn.mutation(({ ctx }) => ctx.agent.command('indexer', { command: 'resume', params: {} }))
export const rescan = signedIn.mutation(({ ctx }) => ctx.agent.command('indexer', { command: 'rescan', params: {} }))
/** Tries again the files that could not be read. */
export const retryErrors = signedIn.mutation(({ ctx }) => ctx.agent.command('indexer', { command: 'retry', params: {} }))
