import { parseAvfoundationCameras } from '@thatdam/media/sources/avfoundation/listing'
import { expect, it } from 'vitest'
import { parseDshowCameras, parseDshowOptions } from './dshow.ts'
import { parseFfmpegVersion, parseVideoEncoders } from './ffmpeg-encoders.ts'
import { parseLibcameraList } from './libcamera.ts'
import { capturesVideo, parseFfmpegV4l2Formats, parseV4l2Formats } from './v4l2-formats.ts'

const info = (caps: string) =>
  `Driver Info:\n\tCapabilities     : 0x84a00001\n\t\tVideo Capture\n\t\tMetadata Capture\n\tDevice Caps      : 0x04\n\t\t${caps}\n\t\tStreaming\n`

it('encoders: video ones only, with and without a leading blank', () => {
  const text =
    ' V..... = Video\n ------\n V....D libx264              libx264 H.264 (codec h264)\nV..... h264_v4l2m2m         V4L2\n A....D aac                  AAC\n'
  expect(parseVideoEncoders(text)).toEqual(['libx264', 'h264_v4l2m2m'])
  expect(parseFfmpegVersion('ffmpeg version n7.1-static Copyright (c)')).toBe('n7.1-static')
  expect(parseFfmpegVersion('bash: ffmpeg: not found')).toBeNull()
})

it('v4l2-ctl: every discrete size and rate of every format', () => {
  const text = [
    'ioctl: VIDIOC_ENUM_FMT',
    '\tType: Video Capture',
    '',
    "\t[0]: 'MJPG' (Motion-JPEG, compressed)",
    '\t\tSize: Discrete 1920x1080',
    '\t\t\tInterval: Discrete 0.033s (30.000 fps)',
    '\t\t\tInterval: Discrete 0.067s (15.000 fps)',
    "\t[1]: 'YUYV' (YUYV 4:2:2)",
    '\t\tSize: Discrete 640x480',
    '\t\t\tInterval: Discrete 0.033s (30.000 fps)',
    "\t[2]: 'Y16 ' (16-bit Greyscale)",
    '\t\tSize: Stepwise 16x16 - 64x64 with step 2/2',
  ].join('\n')
  expect(parseV4l2Formats(text)).toEqual([
    { codec: 'mjpeg', width: 1920, height: 1080, fps: 30 },
    { codec: 'mjpeg', width: 1920, height: 1080, fps: 15 },
    { codec: 'yuyv422', width: 640, height: 480, fps: 30 },
  ])
})

it('ffmpeg -list_formats: sizes by format, colons in the description, what ffmpeg cannot decode left out', () => {
  const text = [
    '[video4linux2,v4l2 @ 0x55] Raw       :     yuyv422 :           YUYV 4:2:2 : 640x480 320x240',
    '[video4linux2,v4l2 @ 0x55] Compressed:       mjpeg :          Motion-JPEG : 1280x720',
    '[video4linux2,v4l2 @ 0x55] Raw       : Unsupported :              Greyscale: 640x480',
    '/dev/video0: Immediate exit requested',
  ].join('\n')
  expect(parseFfmpegV4l2Formats(text)).toEqual([
    { codec: 'yuyv422', width: 640, height: 480, fps: 30 },
    { codec: 'yuyv422', width: 320, height: 240, fps: 30 },
    { codec: 'mjpeg', width: 1280, height: 720, fps: 30 },
  ])
})

it('v4l2-ctl --info: the node decides, not its device', () => {
  expect(capturesVideo(info('Video Capture'))).toBe(true)
  expect(capturesVideo(info('Metadata Capture'))).toBe(false)
  expect(capturesVideo(info('Video Memory-to-Memory Multiplanar'))).toBe(false)
})

it('libcamera: several cameras, modes that are not aligned, USB left to V4L2', () => {
  const text = [
    'Available cameras',
    '-----------------',
    '0 : imx708 [4608x2592 10-bit RGGB] (/base/axi/pcie@1/rp1/i2c@88000/imx708@1a)',
    "    Modes: 'SRGGB10_CSI2P' : 1536x864 [120.13 fps - (768, 432)/3072x1728 crop]",
    '      4608x2592 [14.35 fps - (0, 0)/4608x2592 crop]',
    '',
    '1 : Webcam C920 [1920x1080] (/base/scb/pcie@7d5/pci@0,0/usb@0,0-1.2:1.0-046d:082d)',
  ].join('\n')
  expect(parseLibcameraList(text)).toEqual([
    {
      name: 'imx708',
      path: '/base/axi/pcie@1/rp1/i2c@88000/imx708@1a',
      modes: [
        { codec: 'srggb10_csi2p', width: 1536, height: 864, fps: 120.13 },
        { codec: 'srggb10_csi2p', width: 4608, height: 2592, fps: 14.35 },
      ],
    },
  ])
})

it('dshow: the old layout with headings and the new one with kinds, in any language', () => {
  const old =
    '[dshow @ 01] DirectShow video devices (some may be both)\n[dshow @ 01]  "Cam A"\n[dshow @ 01]     Alternative name "@device_pnp_A"\n[dshow @ 01] DirectShow audio devices\n[dshow @ 01]  "Mic"\n[dshow @ 01]     Alternative name "@device_cm_M"\n'
  const fresh =
    '[in#0 @ 02] "Kamera, hinten" (video)\r\n[in#0 @ 02]   Alternative name "@device_pnp_B"\r\n[in#0 @ 02] "麦克风" (audio)\r\n[in#0 @ 02]   Alternative name "@device_cm_N"\r\n'
  expect(parseDshowCameras(old)).toEqual([{ name: 'Cam A', alternativeName: '@device_pnp_A' }])
  expect(parseDshowCameras(fresh)).toEqual([{ name: 'Kamera, hinten', alternativeName: '@device_pnp_B' }])
  const options =
    '  vcodec=mjpeg  min s=1280x720 fps=5 max s=1280x720 fps=30\n  pixel_format=yuyv422  min s=640x480 fps=15 max s=640x480 fps=30\n  pixel_format=yuyv422  min s=640x480 fps=15 max s=640x480 fps=30\n'
  expect(parseDshowOptions(options)).toEqual([
    { codec: 'mjpeg', width: 1280, height: 720, fps: 30 },
    { codec: 'yuyv422', width: 640, height: 480, fps: 30 },
  ])
})

it('avfoundation: cameras without screens and microphones', () => {
  const text =
    '[AVFoundation indev @ 0x7f] AVFoundation video devices:\n[AVFoundation indev @ 0x7f] [0] FaceTime HD Camera\n[AVFoundation indev @ 0x7f] [1] Capture screen 0\n[AVFoundation indev @ 0x7f] AVFoundation audio devices:\n[AVFoundation indev @ 0x7f] [0] MacBook Microphone\n'
  expect(parseAvfoundationCameras(text)).toEqual([{ index: 0, name: 'FaceTime HD Camera' }])
})
