import { BundleService } from '../../bundles/service.ts'
import type { Service } from '../service.ts'

/** Pages, catalog and database: the console bundle. */
export const service: Service = {
  name: 'local-console',
  uses: ['nodeName'],
  assess: () => ({ canRun: true }),
  start: (context, host) => new BundleService(context, host),
}
