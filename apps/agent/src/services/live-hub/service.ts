import { inProcessService } from '../service.ts'

/** The hub is embedded in each machine's camera-proxy: pictures go straight from there to the browser. */
export const service = inProcessService('live-hub', () => 'Live pictures come straight from the camera service of each machine.')
