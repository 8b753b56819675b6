import os from 'node:os'
import type { NetInterface } from '@thatdam/protocol/facts'
import { classifyInterfaces } from '../facts/network.ts'

/** This machine's addresses with their scopes, without asking any tool. */
export const localInterfaces = (): NetInterface[] => classifyInterfaces(os.networkInterfaces(), new Set())

/** Real LAN interfaces, one entry each, with an IPv4 address there. */
export function lanInterfaces(): { interfaceName: string; address: string }[] {
  const lan = localInterfaces().filter((entry) => entry.scope === 'lan' && entry.family === 'ipv4')
  return [...new Map(lan.map((entry) => [entry.name, { interfaceName: entry.name, address: entry.address }])).values()]
}
