import { expect, it } from 'vitest'
import { parsePmsetBattery, parsePmsetSleepMinutes } from './pmset.ts'
import { parseStandbySeconds } from './powercfg.ts'
import { parseSwVers } from './sw-vers.ts'
import { parseCameras, parseDisplays, parseHardware } from './system-profiler.ts'
import { parseSystemInfo } from './systeminfo.ts'
import { parseWindowsCim } from './windows-cim.ts'

it('pmset: charging paused on the cable is charging, no battery is none', () => {
  expect(
    parsePmsetBattery("Now drawing from 'AC Power'\n -InternalBattery-0 (id=1)\t79%; AC attached; not charging present: true"),
  ).toEqual({ percent: 79, charging: true })
  expect(
    parsePmsetBattery("Now drawing from 'Battery Power'\n -InternalBattery-0 (id=1)\t100%; discharging; (no estimate) present: true"),
  ).toEqual({ percent: 100, charging: false })
  expect(parsePmsetBattery("Now drawing from 'AC Power'\n")).toBeNull()
})

it('pmset -g custom: the setting on the cable', () => {
  const custom =
    'Battery Power:\n displaysleep         2\n sleep                1\nAC Power:\n womp                 1\n sleep                0\n displaysleep         10\n'
  expect(parsePmsetSleepMinutes(custom)).toBe(0)
  expect(parsePmsetSleepMinutes('')).toBeNull()
})

it('sw_vers', () => expect(parseSwVers('ProductName:\t\tmacOS\nProductVersion:\t\t26.3\nBuildVersion:\t\t25D125\n')).toBe('macOS 26.3'))

it('system_profiler: model, chip, graphics, screens and cameras', () => {
  const hardware = {
    SPHardwareDataType: [{ machine_name: 'MacBook Air', machine_model: 'Mac14,2', chip_type: 'Apple M2', number_processors: 'proc 8:4:4' }],
  }
  expect(parseHardware(`${JSON.stringify(hardware)}%      `)).toEqual({ model: 'MacBook Air (Mac14,2)', cpuModel: 'Apple M2' })
  expect(parseHardware('{"SPHardwareDataType":[{"chip_type":"Unknown","number_processors":6}]}')).toEqual({ model: null, cpuModel: null })
  const displays = {
    SPDisplaysDataType: [
      { _name: 'k', sppci_model: 'Radeon Pro', spdisplays_vram: '8 GB', spdisplays_ndrvs: [{}] },
      { _name: 'spdisplays_display' },
    ],
  }
  expect(parseDisplays(JSON.stringify(displays))).toEqual({ gpus: [{ name: 'Radeon Pro', vramBytes: 8 * 1024 ** 3 }], screen: true })
  expect(parseCameras('{"SPCameraDataType":[{"_name":"FaceTime","spcamera_unique-id":"0x14"}]}')).toEqual([
    { name: 'FaceTime', uniqueId: '0x14' },
  ])
  expect(parseCameras('')).toEqual([])
})

it('CIM: lists and single objects, byte order mark, adapters without PCI left out', () => {
  const answer = {
    os: { Caption: 'Microsoft Windows 11 Pro', Version: '10.0.26100' },
    computer: { Manufacturer: 'ASUS', Model: 'PRIME' },
    processor: [{ Name: 'AMD Ryzen 9  ' }],
    video: [
      { Name: 'NVIDIA GeForce RTX 4090', AdapterRAM: 4_293_918_720, PNPDeviceID: 'PCI\\VEN_10DE', CurrentHorizontalResolution: 3840 },
      { Name: 'Microsoft Remote Display Adapter', PNPDeviceID: 'SWD\\REMOTEDISPLAYENUM' },
    ],
    battery: [],
  }
  expect(parseWindowsCim(`\uFEFF${JSON.stringify(answer)}`)).toEqual({
    osName: 'Microsoft Windows 11 Pro',
    model: 'ASUS PRIME',
    cpuModel: 'AMD Ryzen 9',
    gpus: [{ name: 'NVIDIA GeForce RTX 4090', vramBytes: null }],
    screen: true,
    battery: null,
  })
  const laptop = {
    battery: { EstimatedChargeRemaining: 55, BatteryStatus: 1 },
    video: { Name: 'Intel UHD', AdapterRAM: 1_073_741_824, PNPDeviceID: 'PCI\\VEN_8086' },
  }
  expect(parseWindowsCim(JSON.stringify(laptop))).toMatchObject({
    battery: { percent: 55, charging: false },
    gpus: [{ name: 'Intel UHD', vramBytes: 1_073_741_824 }],
  })
  expect(parseWindowsCim('Get-CimInstance : Access denied').battery).toBeNull()
})

it('systeminfo: the same facts whatever the language', () => {
  const german =
    'Hostname:                  PC\r\nBetriebssystemname:        Microsoft Windows 11 Home\r\nSystemmodell:              XPS 15\r\nSystemtyp:                 x64-based PC\r\nProzessor(en):             1 Prozessor(en)\r\n                           [01]: Intel64 ~2400 MHz\r\nGesamter physischer Speicher: 16.125 MB\r\nVerfügbarer physischer Speicher: 8.000 MB\r\n'
  expect(parseSystemInfo(german)).toEqual({ osName: 'Microsoft Windows 11 Home', model: 'XPS 15', ramBytes: 16_125 * 1024 * 1024 })
  expect(parseSystemInfo('')).toEqual({ osName: null, model: null, ramBytes: null })
})

it('powercfg: the value on the cable, in any language', () => {
  expect(
    parseStandbySeconds(
      'Minimal: 0x00000000\nMaximal: 0xffffffff\nAktueller Wechselstromindex: 0x00000708\nGleichstromindex: 0x00000384\n',
    ),
  ).toBe(1800)
  expect(parseStandbySeconds('')).toBeNull()
})
