import { BundleService } from '../../bundles/service.ts'
import type { RunningService, Service, ServiceHost, ServiceView } from '../service.ts'

const NOT_YET: ServiceView = { state: 'starting', reason: '', restarts: 0, url: null, status: null, failedStarts: 0 }

/** Part of the console bundle: beside the pages it lives in their process; on a standby the bundle runs for it alone. */
export const service: Service = {
  name: 'catalog',
  uses: ['nodeName'],
  assess: () => ({ canRun: true }),
  start: (context, host) =>
    context.plan.services.some((planned) => planned.name === 'local-console') ? insideConsole(host) : new BundleService(context, host),
}

function insideConsole(host: ServiceHost): RunningService {
  return {
    view: () => ({ ...(host.sibling('local-console') ?? NOT_YET), url: null, status: null, restarts: 0, failedStarts: 0 }),
    command: () => Promise.reject(new Error('the catalog takes no commands')),
    setPeers: () => {},
    stop: () => Promise.resolve(),
  }
}
