import type { MemberReport } from '@thatdam/protocol/member'

/** Of a machine that has nothing to tell. */
export const quietReport = (nodeId: string): MemberReport => ({
  version: 1,
  nodeId,
  sentAtMs: 0,
  agentVersion: '0.1.0',
  role: 'worker',
  term: null,
  plan: { desiredHash: null, appliedHash: null, rejected: null, services: [] },
  cameras: [],
  captures: [],
  index: null,
  derive: null,
  store: { root: '/store', diskFreeBytes: 0, diskTotalBytes: 0, reserveBytes: 0 },
  problems: [],
  counts: { assets: 0, recordingsActive: 0 },
  consolePort: null,
})
