import type { Check } from '../check.ts'
import { check as agent } from './agent.ts'
import { check as cameras } from './cameras.ts'
import { check as clock } from './clock.ts'
import { check as cloud } from './cloud.ts'
import { check as disk } from './disk.ts'
import { check as dns } from './dns.ts'
import { check as ffmpeg } from './ffmpeg.ts'
import { check as firewall } from './firewall.ts'
import { check as identity } from './identity.ts'
import { check as indexPaths } from './index-paths.ts'
import { check as multicast } from './multicast.ts'
import { check as name } from './name.ts'
import { check as perl } from './perl.ts'
import { check as ports } from './ports.ts'
import { check as proxy } from './proxy.ts'
import { check as start } from './start.ts'
import { check as state } from './state.ts'
import { check as tls } from './tls.ts'

/** In the order in which a person reads them: this machine, its network, its parts. */
export const CHECKS: readonly Check[] = [
  state,
  identity,
  agent,
  start,
  name,
  dns,
  proxy,
  tls,
  cloud,
  clock,
  multicast,
  firewall,
  ports,
  disk,
  indexPaths,
  ffmpeg,
  cameras,
  perl,
]
