import fs from 'node:fs'
import path from 'node:path'
import { expect, it } from 'vitest'
import { parseChrony, parseSntpSeconds, parseTimedatectl, parseW32tm } from '../../facts/parse/time-service.ts'
import { interceptorOf } from './interceptor.ts'
import { parseLsof, parseNetstatPid, parseSs, parseTasklist } from './listeners.ts'
import { mountOf } from './mountinfo.ts'
import { goesPast } from './no-proxy.ts'
import { parseRegQuery } from './reg-query.ts'
import { parseInternetSettings, parseScutilProxy } from './system-proxy.ts'
import { parseTccCamera } from './tcc.ts'
import { parseLaunchctlState, parseLinger, parseScheduledTask, parseSystemdUnit } from './units.ts'
import { readWebcamConsent } from './webcam-consent.ts'

const read = (name: string) => fs.readFileSync(path.join(import.meta.dirname, '../testdata', name), 'utf8')

const mountAt = (folder: string) => mountOf(read('mountinfo.txt'), folder)
const past = (host: string, ...except: string[]) => goesPast(host, except)

it('time services, in any language', () => {
  expect(parseTimedatectl('Timezone=Europe/Berlin\nCanNTP=yes\nNTP=yes\nNTPSynchronized=no\n')).toEqual({
    enabled: true,
    synchronized: false,
  })
  expect(parseTimedatectl('Failed to connect to bus')).toBeNull()
  expect(parseChrony('Stratum         : 3\nLeap status     : Normal\n')).toEqual({ enabled: true, synchronized: true })
  expect(parseChrony('Leap status     : Not synchronised\n')?.synchronized).toBe(false)
  expect(parseChrony('506 Cannot talk to daemon')).toBeNull()
  expect(parseW32tm(read('w32tm-english.txt'), 0)).toEqual({ enabled: true, synchronized: true })
  expect(parseW32tm(read('w32tm-german.txt'), 0)).toEqual({ enabled: true, synchronized: false })
  expect(parseW32tm('Der folgende Fehler ist aufgetreten: Der Dienst wurde nicht gestartet. (0x80070426)', 1)?.enabled).toBe(false)
  expect(parseSntpSeconds('sntp 4.2.8p15@1.3728-o\n-12.345678 +/- 0.034567 time.apple.com 17.253.14.251\n')).toBe(-12.345678)
  expect(parseSntpSeconds('sntp: Exchange failed: Timeout')).toBeNull()
})

it('who listens', () => {
  expect(parseSs('LISTEN 0 511 *:8080 *:* users:(("node",pid=4242,fd=21),("sh",pid=1,fd=3))')).toEqual({ pid: 4242, program: 'node' })
  expect(parseSs('LISTEN 0 511 *:8080 *:*')).toBeNull()
  expect(parseLsof('p611\ncControlCenter\nf9\n')).toEqual({ pid: 611, program: 'ControlCenter' })
  const text = read('netstat-ano.txt')
  expect([parseNetstatPid(text, 'tcp', 8080), parseNetstatPid(text, 'udp', 7700), parseNetstatPid(text, 'tcp', 80)]).toEqual([
    4242,
    999,
    null,
  ])
  expect(parseTasklist('"node.exe","4242","Services","0","51.200 K"\r\n')).toEqual({ program: 'node.exe', pid: 4242, session: 0 })
  expect(parseTasklist('INFO: No tasks are running which match the specified criteria.')).toBeNull()
})

it('mounts', () => {
  expect(mountAt('/home/pi')).toMatchObject({ mountPoint: '/', readOnly: false, noExec: false })
  expect(mountAt('/media/pi/My Disk/state')).toMatchObject({ mountPoint: '/media/pi/My Disk', noExec: true, type: 'exfat' })
  expect(mountAt('/media/pi/My Diskette')).toMatchObject({ mountPoint: '/' })
  expect(mountAt('/mnt/nas/x')).toMatchObject({ type: 'nfs4', readOnly: true, source: 'nas:/export' })
  expect(mountAt('/var/lib/thatdam')).toMatchObject({ readOnly: true, source: '/dev/sdc1' })
  expect(mountOf('', '/')).toBeNull()
})

it('camera permissions', () => {
  expect(parseTccCamera('com.apple.Terminal|2\n/opt/thatdam/node|0\nnonsense\n')).toEqual([
    { client: 'com.apple.Terminal', allowed: true },
    { client: '/opt/thatdam/node', allowed: false },
  ])
  const text = read('webcam-consent.txt')
  expect(readWebcamConsent(parseRegQuery(text))).toEqual({ refusedBy: 'desktop-programs', inUseBy: ['meet.exe'] })
  const machine = text.replace('webcam\n    Value    REG_SZ    Allow', 'webcam\n    Value    REG_SZ    Deny')
  expect(readWebcamConsent(parseRegQuery(machine)).refusedBy).toBe('machine')
  const policy = `${text}\nHKEY_LOCAL_MACHINE\\SOFTWARE\\Policies\\Microsoft\\Windows\\AppPrivacy\n    LetAppsAccessCamera    REG_DWORD    0x2\n`
  expect(readWebcamConsent(parseRegQuery(policy)).refusedBy).toBe('policy')
})

it('what starts the agent', () => {
  expect(parseSystemdUnit('LoadState=loaded\nActiveState=active\nUnitFileState=enabled\n')).toEqual({ active: true, enabled: true })
  expect(parseSystemdUnit('LoadState=loaded\nActiveState=inactive\nUnitFileState=disabled\n')).toEqual({ active: false, enabled: false })
  expect(parseSystemdUnit('LoadState=not-found\nActiveState=inactive\nUnitFileState=\n')).toBeNull()
  expect([parseLinger('Linger=no\n'), parseLinger('')]).toEqual([false, null])
  expect(parseLaunchctlState(read('launchctl-print.txt'))).toEqual({ running: true })
  expect(parseLaunchctlState('Could not find service "app.thatdam.thatdam" in domain for system')).toBeNull()
  const xml = read('task-boot.xml')
  expect(parseScheduledTask(xml)).toEqual({ atBoot: true, atLogOn: false, asSystem: true, enabled: true })
  expect(parseScheduledTask(xml.replace('<Settings><Enabled>true', '<Settings><Enabled>false'))?.enabled).toBe(false)
  expect(parseScheduledTask('ERROR: The system cannot find the file specified.')).toBeNull()
})

it('proxies and what goes past them', () => {
  const mac = parseScutilProxy(read('scutil-proxy.txt'))
  expect(mac).toEqual({ address: 'proxy.example.org:3128', except: ['*.local', '169.254/16'] })
  expect(parseScutilProxy('<dictionary> {\n  HTTPEnable : 0\n}\n')).toBeNull()
  const settings = [
    { name: 'ProxyEnable', data: '0x1' },
    { name: 'ProxyServer', data: 'proxy:8080' },
    { name: 'ProxyOverride', data: '192.168.*;<local>' },
  ]
  expect(parseInternetSettings(settings)).toEqual({ address: 'proxy:8080', except: ['192.168.*', '<local>'] })
  expect(parseInternetSettings([{ name: 'ProxyEnable', data: '0x0' }, ...settings.slice(1)])).toBeNull()
  expect([past('192.168.1.5', '192.168.*'), past('192.168.1.5', '192.168.0.0/16'), past('10.0.0.1', '192.168.0.0/16')]).toEqual([
    true,
    true,
    false,
  ])
  expect([past('a.example.org', '.example.org'), past('a.example.org', 'example.org:443'), past('badexample.org', 'example.org')]).toEqual([
    true,
    true,
    false,
  ])
  expect([past('pi', '<local>'), past('pi.lan', '<local>'), past('x', '*'), past('x', '')]).toEqual([true, false, true, false])
})

it('who opens TLS on the way', () => {
  expect(interceptorOf(['Zscaler Inc., Zscaler Intermediate Root CA', 'Example'])).toBe('Zscaler')
  expect(interceptorOf(['ESET, spol. s r. o., ESET SSL Filter CA'])).toBe('ESET')
  expect(interceptorOf(["Let's Encrypt, R11", 'Internet Security Research Group, ISRG Root X1', 'Reset Ltd'])).toBeNull()
})
