import { inProcessService } from '../service.ts'

/** The search itself runs as long as the agent: without it no plan would come here (packages/discovery). */
export const service = inProcessService('discovery', () => '')
