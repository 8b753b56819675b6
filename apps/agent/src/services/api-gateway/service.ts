import { inProcessService } from '../service.ts'

/** The gateway is up on every node from the agent's start (../../gateway/): a plan cannot close the door to /health. */
export const service = inProcessService('api-gateway', () => '')
