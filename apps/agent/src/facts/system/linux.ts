import path from 'node:path'
import { parseCpuinfo } from '../parse/cpuinfo.ts'
import { parseDeviceTreeModel } from '../parse/device-tree.ts'
import { isGraphicalSession, parseSessionIds } from '../parse/loginctl.ts'
import { parseMemTotalBytes } from '../parse/meminfo.ts'
import { parseNvidiaSmi } from '../parse/nvidia-smi.ts'
import { parseOsRelease } from '../parse/os-release.ts'
import { findTool, listFolder, readSmall, runTool } from '../tool.ts'
import type { SystemFacts } from './system.ts'

/** `root` is `/`, or a folder with the same files below it. */
export async function gatherLinux(root = '/'): Promise<SystemFacts> {
  const read = async (file: string) => (await readSmall(path.join(root, file))) ?? ''
  const [release, cpuinfo, tree, meminfo, vendor, product, chassis, sleeps, battery, uiAvailable, gpus] = await Promise.all([
    read('etc/os-release'),
    read('proc/cpuinfo'),
    read('proc/device-tree/model'),
    read('proc/meminfo'),
    read('sys/class/dmi/id/sys_vendor'),
    read('sys/class/dmi/id/product_name'),
    read('sys/class/dmi/id/chassis_type'),
    read('sys/power/suspend_stats/success'),
    linuxBattery(root),
    desktopAvailable(root),
    linuxGpus(root),
  ])
  const cpu = parseCpuinfo(cpuinfo)
  const dmi = [vendor, product]
    .filter((text) => text && !/^(To Be Filled|System (manufacturer|Product)|Default string)/i.test(text))
    .join(' ')
  return {
    osName: parseOsRelease(release).name,
    model: parseDeviceTreeModel(tree) ?? cpu.boardModel ?? (dmi || null),
    cpuModel: cpu.cpuModel,
    ramBytes: parseMemTotalBytes(meminfo),
    uiAvailable,
    battery,
    portable: isPortableChassis(Number(chassis)),
    sleeps: Number(sleeps) > 0,
    gpus,
  }
}

/** SMBIOS 3.6, table 17: portable, laptop, notebook, hand held, sub notebook, tablet, convertible, detachable. */
export function isPortableChassis(type: number): boolean {
  return [8, 9, 10, 11, 14, 30, 31, 32].includes(type)
}

/** The machine's own battery in sysfs; `scope` "Device" is a mouse's or a headset's. */
export async function linuxBattery(root: string): Promise<SystemFacts['battery']> {
  const folder = path.join(root, 'sys/class/power_supply')
  for (const name of await listFolder(folder)) {
    const read = (file: string) => readSmall(path.join(folder, name, file))
    if ((await read('type')) !== 'Battery' || (await read('scope')) === 'Device' || (await read('present')) === '0') continue
    const percent = Number(await read('capacity'))
    const status = await read('status')
    return { percent: Math.min(100, Math.max(0, percent || 0)), charging: status !== 'Discharging' }
  }
  return null
}

/** A graphical session on a seat by logind; without logind, an X or Wayland socket of a first display. */
async function desktopAvailable(root: string): Promise<boolean> {
  const loginctl = root === '/' ? findTool(['loginctl']) : null
  const sessions = loginctl ? await runTool(loginctl, ['list-sessions', '--no-legend']) : null
  if (loginctl && sessions?.code === 0) {
    const ids = parseSessionIds(sessions.stdout)
    const shown = await Promise.all(ids.map((id) => runTool(loginctl, ['show-session', id, '-p', 'Type', '-p', 'State'])))
    return shown.some((session) => isGraphicalSession(session.stdout))
  }
  const x11 = await listFolder(path.join(root, 'tmp/.X11-unix'))
  if (x11.some((name) => /^X[0-9]$/.test(name))) return true
  const users = await listFolder(path.join(root, 'run/user'))
  const sockets = await Promise.all(users.map((user) => listFolder(path.join(root, 'run/user', user))))
  return sockets.flat().some((name) => /^wayland-\d+$/.test(name))
}

const VENDORS: Readonly<Record<string, string>> = {
  '0x10de': 'NVIDIA',
  '0x1002': 'AMD',
  '0x8086': 'Intel',
  '0x1a03': 'ASPEED',
  '0x15ad': 'VMware',
  '0x1234': 'QEMU',
  '0x1af4': 'Virtio',
}

/** One entry per graphics device of /sys/class/drm; NVIDIA's by nvidia-smi, which knows their names. */
export async function linuxGpus(root: string): Promise<SystemFacts['gpus']> {
  const smi = root === '/' ? findTool(['nvidia-smi']) : null
  const nvidia = smi ? parseNvidiaSmi((await runTool(smi, ['--query-gpu=name,memory.total', '--format=csv'])).stdout) : []
  const folder = path.join(root, 'sys/class/drm')
  const others: SystemFacts['gpus'] = []
  for (const card of (await listFolder(folder)).filter((name) => /^card\d+$/.test(name))) {
    const read = (file: string) => readSmall(path.join(folder, card, 'device', file))
    const vendor = (await read('vendor')) ?? ''
    if (vendor === '0x10de' && nvidia.length > 0) continue
    const driver = /^DRIVER=(.+)$/m.exec((await read('uevent')) ?? '')?.[1]
    const name = VENDORS[vendor] ? `${VENDORS[vendor]} ${(await read('device')) ?? ''}`.trim() : driver ? `${driver} graphics` : null
    const vramBytes = Number(await read('mem_info_vram_total')) || null
    if (name && !others.some((other) => other.name === name && !vendor)) others.push({ name, vramBytes })
  }
  return [...nvidia, ...others].slice(0, 16)
}
