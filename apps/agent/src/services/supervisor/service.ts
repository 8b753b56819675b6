import { inProcessService } from '../service.ts'

/** The agent itself: it starts, watches and stops the other parts. */
export const service = inProcessService('supervisor', () => '')
