import type { Entry } from './tar.mjs'
export const platform: string
export function agentEntries(root: string, publicKey: string): Entry[]
export function launchers(): Entry[]
export function systemFiles(root: string): Entry[]
export function consoleEntries(root: string): Entry[] | null
export function postgresEntries(native: string): Entry[]
