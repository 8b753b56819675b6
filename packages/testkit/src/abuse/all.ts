import type { Abuse } from './abuse.ts'
import { abuse as datagrams } from './datagrams.ts'
import { abuse as garbage } from './garbage.ts'
import { abuse as halfOpen } from './half-open.ts'
import { abuse as hugeBody } from './huge-body.ts'
import { abuse as hugeHeaders } from './huge-headers.ts'
import { abuse as malformed } from './malformed.ts'
import { abuse as slowBody } from './slow-body.ts'
import { abuse as slowHeaders } from './slow-headers.ts'
import { abuse as slowReader } from './slow-reader.ts'

export const ABUSES: readonly Abuse[] = [datagrams, garbage, malformed, halfOpen, slowHeaders, slowBody, hugeHeaders, hugeBody, slowReader]
