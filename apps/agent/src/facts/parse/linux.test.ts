import { expect, it } from 'vitest'
import { parseCpuinfo } from './cpuinfo.ts'
import { parseProcNetRoute, parseRouteGet } from './default-route.ts'
import { parseDeviceTreeModel } from './device-tree.ts'
import { isGraphicalSession, parseSessionIds } from './loginctl.ts'
import { parseLsblk } from './lsblk.ts'
import { parseMemTotalBytes } from './meminfo.ts'
import { parseNvidiaSmi } from './nvidia-smi.ts'
import { parseOsRelease } from './os-release.ts'
import { parseTailscaleAddresses } from './tailscale.ts'

it('os-release: quotes, escapes, and a file without a pretty name', () => {
  const debian = 'PRETTY_NAME="Debian GNU/Linux 12 (bookworm)"\nID=debian\n# remark\n'
  expect(parseOsRelease(debian)).toEqual({ name: 'Debian GNU/Linux 12 (bookworm)', id: 'debian', idLike: [] })
  expect(parseOsRelease('NAME=\'My "OS"\'\nVERSION="4 \\$x"\nID_LIKE="arch linux"').name).toBe('My "OS" 4 $x')
  expect(parseOsRelease('').name).toBe('Linux')
})

it('cpuinfo: x86 names the processor, a Pi names the core and the board', () => {
  expect(parseCpuinfo('processor\t: 0\nmodel name\t: Intel(R) Core(TM) i7\n').cpuModel).toBe('Intel(R) Core(TM) i7')
  const pi = 'CPU implementer\t: 0x41\nCPU part\t: 0xd0b\n\nModel\t\t: Raspberry Pi 5 Model B Rev 1.0\n'
  expect(parseCpuinfo(pi)).toEqual({ cpuModel: 'Cortex-A76', boardModel: 'Raspberry Pi 5 Model B Rev 1.0' })
  expect(parseCpuinfo('')).toEqual({ cpuModel: null, boardModel: null })
})

it('device tree and memory', () => {
  expect(parseDeviceTreeModel('Raspberry Pi Zero 2 W Rev 1.0\0')).toBe('Raspberry Pi Zero 2 W Rev 1.0')
  expect(parseDeviceTreeModel('\0')).toBeNull()
  expect(parseMemTotalBytes('MemTotal:         437352 kB\nMemFree: 1 kB\n')).toBe(437_352 * 1024)
  expect(parseMemTotalBytes('nothing')).toBeNull()
})

it('loginctl: ids with and without heading; only sessions that draw count', () => {
  expect(
    parseSessionIds('SESSION  UID USER SEAT  TTY\n      3 1000 user seat0 tty2\n     c1  126 gdm  seat0\n\n2 sessions listed.\n'),
  ).toEqual(['3', 'c1'])
  expect(parseSessionIds('12 1000 sam - 99 user - no\n')).toEqual(['12'])
  expect(isGraphicalSession('Type=wayland\nState=active\n')).toBe(true)
  expect(isGraphicalSession('Type=tty\nState=active\n')).toBe(false)
  expect(isGraphicalSession('Type=x11\nState=closing\n')).toBe(false)
})

it('lsblk: parts inherit their disk, swap is no mount, old booleans are text', () => {
  const disk = {
    name: 'sda',
    rm: '1',
    tran: 'usb',
    mountpoint: null,
    children: [{ name: 'sda1', path: '/dev/sda1', rm: false, mountpoint: '/media/My Disk' }],
  }
  const swap = { name: 'zram0', rm: false, mountpoint: '[SWAP]' }
  const root = { name: 'vda', rm: false, mountpoints: [null, '/'] }
  expect(parseLsblk(JSON.stringify({ blockdevices: [disk, swap, root] }))).toEqual([
    { path: '/dev/sda1', mountPoint: '/media/My Disk', removable: true, transport: 'usb' },
    { path: '/dev/vda', mountPoint: '/', removable: false, transport: null },
  ])
  expect(parseLsblk('no json')).toEqual([])
})

it('nvidia-smi: columns by heading, in any order; an error text is no card', () => {
  expect(parseNvidiaSmi('memory.total [MiB], name\n24564 MiB, NVIDIA L4\n')).toEqual([
    { name: 'NVIDIA L4', vramBytes: 24_564 * 1024 * 1024 },
  ])
  expect(parseNvidiaSmi('name, memory.total [MiB]\nGrace, [N/A]\n')).toEqual([{ name: 'Grace', vramBytes: null }])
  expect(parseNvidiaSmi("NVIDIA-SMI has failed because it couldn't communicate with the NVIDIA driver.\n")).toEqual([])
})

it('routes: the default route with the lowest metric', () => {
  const head = 'Iface\tDestination\tGateway\tFlags\tRefCnt\tUse\tMetric\tMask\tMTU\tWindow\tIRTT'
  const rows = [
    'wlan0\t00000000\t0101A8C0\t0003\t0\t0\t600\t00000000\t0\t0\t0',
    'eth0\t00000000\t0101A8C0\t0003\t0\t0\t100\t00000000\t0\t0\t0',
    'eth0\t0001A8C0\t0\t1\t0\t0\t0\t00FFFFFF\t0\t0\t0',
  ]
  expect(parseProcNetRoute([head, ...rows].join('\n'))).toBe('eth0')
  expect(parseProcNetRoute(head)).toBeNull()
  expect(parseRouteGet('   route to: default\n  interface: en0\n      flags: <UP>\n')).toBe('en0')
})

it('tailscale: own addresses only while it runs', () => {
  const self = { TailscaleIPs: ['100.64.1.2', 'fd7a:115c:a1e0::1'] }
  expect(parseTailscaleAddresses(JSON.stringify({ BackendState: 'Running', Self: self, Peer: null }))).toEqual(self.TailscaleIPs)
  expect(parseTailscaleAddresses(JSON.stringify({ BackendState: 'Stopped', Self: self }))).toEqual([])
  expect(parseTailscaleAddresses('failed to connect to local tailscaled')).toEqual([])
})
