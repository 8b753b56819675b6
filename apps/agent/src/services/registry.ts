import type { ServiceName } from '@thatdam/protocol/plan'
import { service as apiGateway } from './api-gateway/service.ts'
import { service as blobStore } from './blob-store/service.ts'
import { service as cameraProxy } from './camera-proxy/service.ts'
import { service as captureDaemon } from './capture-daemon/service.ts'
import { service as catalog } from './catalog/service.ts'
import { service as deriver } from './deriver/service.ts'
import { service as discovery } from './discovery/service.ts'
import { service as indexer } from './indexer/service.ts'
import { service as liveHub } from './live-hub/service.ts'
import { service as localConsole } from './local-console/service.ts'
import { service as mediaApi } from './media-api/service.ts'
import type { Service } from './service.ts'
import { service as supervisor } from './supervisor/service.ts'

/** What this version can run. A planned service that is not here is reported as "not in this version". */
export const SERVICES: ReadonlyMap<ServiceName, Service> = new Map(
  [
    supervisor,
    discovery,
    apiGateway,
    blobStore,
    mediaApi,
    indexer,
    deriver,
    cameraProxy,
    captureDaemon,
    liveHub,
    catalog,
    localConsole,
  ].map((service) => [service.name, service]),
)
