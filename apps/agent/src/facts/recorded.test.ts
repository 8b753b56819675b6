import fs from 'node:fs'
import path from 'node:path'
import { describe, expect, it } from 'vitest'
import { avfoundationFacts } from './cameras/avfoundation.ts'
import { dshowFacts } from './cameras/dshow.ts'
import { libcameraFacts } from './cameras/libcamera.ts'
import { parseCpuinfo } from './parse/cpuinfo.ts'
import { parseDeviceTreeModel } from './parse/device-tree.ts'
import { parseDshowOptions } from './parse/dshow.ts'
import { parseVideoEncoders } from './parse/ffmpeg-encoders.ts'
import { parseSessionIds } from './parse/loginctl.ts'
import { parseLsblk } from './parse/lsblk.ts'
import { parseNvidiaSmi } from './parse/nvidia-smi.ts'
import { parseOsRelease } from './parse/os-release.ts'
import { parsePmsetBattery } from './parse/pmset.ts'
import { parseSwVers } from './parse/sw-vers.ts'
import { parseCameras, parseDisplays, parseHardware } from './parse/system-profiler.ts'
import { parseSystemInfo } from './parse/systeminfo.ts'
import { parseTailscaleAddresses } from './parse/tailscale.ts'
import { parseVideoControllers } from './parse/windows-cim.ts'
import { powerClassOf } from './power-class.ts'

/* Outputs of real machines, read where they lie when somebody keeps such a collection beside the checkout; the tests in parse/ need none. */
const collection = path.resolve(import.meta.dirname, '../../../../../shared/recorded')
const read = (file: string) => fs.readFileSync(path.join(collection, file), 'utf8')

describe.runIf(fs.existsSync(collection))('recorded outputs of real machines', () => {
  it('os-release, cpuinfo, device tree', () => {
    expect(parseOsRelease(read('os-release/raspios-12-32bit.txt'))).toMatchObject({
      name: 'Raspbian GNU/Linux 12 (bookworm)',
      id: 'raspbian',
    })
    expect(parseOsRelease(read('os-release/ubuntu-22.04-server.txt')).name).toBe('Ubuntu 22.04.5 LTS')
    expect(parseCpuinfo(read('pi-proc/pi5-cpuinfo.txt'))).toEqual({ cpuModel: 'Cortex-A76', boardModel: 'Raspberry Pi 5 Model B Rev 1.0' })
    const zero = parseCpuinfo(read('pi-proc/pi-zero-2w-cpuinfo-tail.txt')).boardModel
    expect(powerClassOf({ os: 'linux', model: zero, ramBytes: 512 * 1024 ** 2 })).toBe('zero')
    expect(parseDeviceTreeModel(read('pi-proc/pi3-device-tree-model.txt'))).toBe('Raspberry Pi 3 Model B Rev 1.2')
  })

  it('sessions, disks, cards', () => {
    expect(parseSessionIds(read('desktop-session/loginctl-gdm-and-ssh.txt'))).toEqual(['3', '35', '39', 'c1'])
    expect(parseSessionIds(read('desktop-session/loginctl-headless-ssh.txt'))).toEqual(['1'])
    expect(parseLsblk(read('lsblk-json/bytes-live-usb.json'))).toEqual([
      { path: '/dev/sda1', mountPoint: '/media/user/Kali Linux amd64 1', removable: true, transport: null },
    ])
    expect(parseLsblk(read('lsblk-json/pi-sd-card.json')).map((device) => [device.mountPoint, device.transport])).toEqual([
      ['/boot/firmware', 'mmc'],
      ['/', 'mmc'],
    ])
    expect(parseNvidiaSmi(read('nvidia-smi-csv/two-l40s-index.txt'))).toHaveLength(2)
    expect(parseNvidiaSmi(read('nvidia-smi-csv/laptop-5060.txt'))[0]).toEqual({
      name: 'NVIDIA GeForce RTX 5060 Laptop GPU',
      vramBytes: 8151 * 1024 ** 2,
    })
    expect(parseNvidiaSmi(read('nvidia-smi-csv/l4-power-temp.txt'))[0]?.name).toBe('NVIDIA L4')
  })

  it('encoders and cameras', () => {
    expect(parseVideoEncoders(read('ffmpeg-encoders/pi-v4l2m2m-omx.txt'))).toEqual(['h264_v4l2m2m', 'h264_omx', 'libx264'])
    expect(parseVideoEncoders(read('ffmpeg-encoders/mac-toolbox.txt'))).toEqual(['h264_videotoolbox', 'hevc_videotoolbox'])
    expect(parseVideoEncoders(read('ffmpeg-encoders/ubuntu-24.04-listed-without-hardware.txt'))).toContain('h264_nvenc')
    const pair = libcameraFacts(read('libcamera-list/pi5-two-imx708.txt'))
    expect(pair.map((camera) => camera.cameraId)).toEqual([
      'csi:axi-pcie@120000-rp1-i2c@88000-imx708@1a',
      'csi:axi-pcie@120000-rp1-i2c@80000-imx708@1a',
    ])
    expect(pair.map((camera) => camera.modes.length)).toEqual([3, 3])
    expect(libcameraFacts(read('libcamera-list/cm4-misaligned.txt'))[0]?.modes).toHaveLength(3)
    expect(libcameraFacts(read('libcamera-list/imx708-wide-no-depth.txt'))[0]?.name).toBe('imx708_wide')
    expect(dshowFacts(read('ffmpeg-dshow-list/new-chinese-microphone.txt'))).toMatchObject([
      { name: 'BisonCam,NB Pro', cameraId: 'dshow:usb-vid_5986-pid_1112-mi_00-6-64c20000-0-0000' },
    ])
    expect(dshowFacts(read('ffmpeg-dshow-list/old-usb-video-device.txt')).map((camera) => camera.name)).toEqual(['USB Video Device'])
    expect(parseDshowOptions(read('ffmpeg-dshow-options/no-prefix.txt'))).toEqual([{ codec: 'yuyv422', width: 640, height: 480, fps: 30 }])
  })

  it('macOS', () => {
    expect(parsePmsetBattery(read('mac-pmset-batt/charged.txt'))).toEqual({ percent: 100, charging: true })
    expect(parsePmsetBattery(read('mac-pmset-batt/attached-not-charging.txt'))).toEqual({ percent: 79, charging: true })
    expect(parsePmsetBattery(read('mac-pmset-batt/battery-no-estimate.txt'))).toEqual({ percent: 100, charging: false })
    expect(parseSwVers(read('mac-sw-vers/26.3.txt'))).toBe('macOS 26.3')
    expect(parseHardware(read('mac-system-profiler/hardware-m2-pro-zsh-percent.txt'))).toEqual({
      model: 'MacBook Pro (Mac14,7)',
      cpuModel: 'Apple M2',
    })
    expect(parseHardware(read('mac-system-profiler/hardware-vm-chip-unknown.json')).cpuModel).toBeNull()
    expect(parseDisplays(read('mac-system-profiler/displays-m1.json'))).toEqual({
      gpus: [{ name: 'Apple M1', vramBytes: null }],
      screen: true,
    })
    expect(parseDisplays(read('mac-system-profiler/displays-vm-fragment.json'))).toEqual({ gpus: [], screen: true })
    const profile = read('mac-system-profiler/camera-facetime-usb.json')
    expect(parseCameras(profile)[0]?.uniqueId).toBe('0x1420000005ac8600')
    const listing = '[AVFoundation indev @ 0x1] AVFoundation video devices:\n[AVFoundation indev @ 0x1] [0] FaceTime HD Camera (Built-in)\n'
    expect(avfoundationFacts(listing, profile)[0]?.cameraId).toBe('avfoundation:0x1420000005ac8600')
  })

  it('Windows and Tailscale', () => {
    expect(parseSystemInfo(read('windows-systeminfo/win10-english.txt'))).toEqual({
      osName: 'Microsoft Windows 10 Enterprise',
      model: 'VMware7,1',
      ramBytes: 2047 * 1024 ** 2,
    })
    expect(parseSystemInfo(read('windows-systeminfo/win10-french.txt'))).toEqual({
      osName: 'Microsoft Windows 10 Famille',
      model: 'MS-7A70',
      ramBytes: 16_349 * 1024 ** 2,
    })
    expect(parseVideoControllers(JSON.parse(read('windows-cim-json/videocontroller-one-nvidia.json')))).toEqual([
      { name: 'NVIDIA GeForce RTX 3070', vramBytes: null },
    ])
    expect(parseTailscaleAddresses(read('tailscale-status-json/linux-no-peers.json'))[0]).toBe('100.64.81.70')
    expect(parseTailscaleAddresses(read('tailscale-status-json/windows-two-ios-peers.json'))[0]).toBe('100.64.95.89')
  })
})
