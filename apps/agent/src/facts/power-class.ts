import type { PowerClass } from '@thatdam/protocol/facts'

/** Below this a Linux machine is `zero`: it may not lead nor carry the console, whatever its name. */
export const ZERO_RAM_BYTES = 900 * 1024 * 1024

/**
 * Coarse class of a machine:
 * `mac`, `win` by system; on Linux `zero` for a Raspberry Pi Zero or less than 900 MiB of RAM, `pi` for any other Raspberry Pi, else `linux`.
 */
export function powerClassOf(machine: { os: NodeJS.Platform; model: string | null; ramBytes: number }): PowerClass {
  if (machine.os === 'darwin') return 'mac'
  if (machine.os === 'win32') return 'win'
  if (/Raspberry Pi Zero/i.test(machine.model ?? '') || machine.ramBytes < ZERO_RAM_BYTES) return 'zero'
  return /Raspberry Pi/i.test(machine.model ?? '') ? 'pi' : 'linux'
}

/**
 * May lead and hold copies: no battery of its own (mice and headsets have batteries too, those do not count), not a laptop's chassis, and no sleep:
 * neither seen since boot nor set in the system's power settings.
 */
export function isAlwaysOn(machine: { hasBattery: boolean; portable: boolean; sleeps: boolean }): boolean {
  return !machine.hasBattery && !machine.portable && !machine.sleeps
}
