import { inProcessService } from '../service.ts'

/** `static`: this version looks for no other machine on the network; the view says so instead of pretending. */
export const service = inProcessService('discovery', () => 'This version does not look for other machines on the network yet.')
