import { spawn, spawnSync } from 'node:child_process'
import fs from 'node:fs'
import http from 'node:http'
import type { AddressInfo } from 'node:net'
import os from 'node:os'
import path from 'node:path'
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest'
import { launchers, platform, systemFiles } from './contents.mjs'
import { writeTarGz } from './tar.mjs'

/*
 * The install script against a real server, with a stand-in agent that keeps the contract: `register` reads the token from stdin and writes
 * credential.json, `run` writes local.json with its pid and ends on SIGTERM, `unregister` removes the credential.
 */
const checkout = path.resolve(import.meta.dirname, '../..')
const AGENT = `const fs = require('node:fs'), path = require('node:path')
const state = process.env.STATE_DIR, at = (name) => path.join(state, name), [command, ...rest] = process.argv.slice(2)
if (command === 'register') {
  const token = fs.readFileSync(0, 'utf8').trim()
  if (process.argv.join(' ').includes('td1.')) { console.error('the token is in argv'); process.exit(9) }
  if (token !== 'td1.good') { console.error('This token has expired. Make a new one on the Add machine page.'); process.exit(3) }
  if (!fs.existsSync(at('identity.json'))) fs.writeFileSync(at('identity.json'), String(Math.random()))
  fs.writeFileSync(at('credential.json'), JSON.stringify({ url: rest[rest.indexOf('--url') + 1], args: rest }))
} else if (command === 'run') {
  if (fs.existsSync(at('refuse'))) { console.error('The plan file is damaged.'); process.exit(1) }
  const { version } = require('./package.json')
  fs.writeFileSync(at('ran.json'), JSON.stringify({ version, index: process.env.INDEX_PATHS, port: process.env.SERVICE_PORT, adopt: process.env.ADOPT, argv: process.argv, token: process.env.THATDAM_TOKEN }))
  fs.writeFileSync(at('local.json'), JSON.stringify({ version: 1, pid: process.pid, url: '' }))
  process.on('SIGTERM', () => { fs.appendFileSync(at('stopped'), 'x'); process.exit(0) })
  setInterval(() => {}, 1000)
} else if (command === 'unregister') fs.rmSync(at('credential.json'))
`
let home: string
let served: string
let server: http.Server
let url: string
const checksums = new Map<string, string>()
const downloads: string[] = []

async function makeRelease(version: string): Promise<string> {
  const file = `thatdam-agent-${version}-${platform}.tar.gz`
  const node = `#!/bin/sh\nexec '${process.execPath}' "$@"\n`
  const made = await writeTarGz(path.join(served, file), [
    ...launchers(),
    ...systemFiles(checkout),
    { name: 'bin/node', text: node, mode: 0o755 },
    { name: 'dist/thatdam.cjs', text: AGENT },
    { name: 'dist/package.json', text: JSON.stringify({ version }) },
  ])
  checksums.clear()
  checksums.set(platform, `${made.sha256} ${file}`)
  return file
}

beforeAll(async () => {
  home = fs.realpathSync(fs.mkdtempSync(path.join(os.tmpdir(), 'thatdam-install-')))
  served = path.join(home, 'served')
  fs.mkdirSync(served)
  server = http.createServer((request, response) => {
    const name = path.basename(request.url ?? '')
    downloads.push(name)
    if (name === 'install.sh') {
      const lines = [...checksums].map(([of, rest]) => `${of} ${rest}`).join('\n')
      response.end(
        fs
          .readFileSync(path.join(checkout, 'infra/install/install.sh'), 'utf8')
          .replaceAll('@BASE_URL@', url)
          .replaceAll('@CHECKSUMS@', lines),
      )
    } else if (fs.existsSync(path.join(served, name))) fs.createReadStream(path.join(served, name)).pipe(response)
    else response.writeHead(404).end()
  })
  await new Promise<void>((resolve) => {
    server.listen(0, '127.0.0.1', resolve)
  })
  url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
})
afterAll(() => {
  server.close()
  fs.rmSync(home, { recursive: true, force: true })
})

type Result = { code: number | null; output: string }
vi.setConfig({ testTimeout: 60_000 })
/** As a person does it: `curl … | sh -s -- …`; a PATH may be put in front. */
async function install(args: readonly string[], env: Readonly<Record<string, string>> = {}, shell = 'sh'): Promise<Result> {
  const script = await (await fetch(`${url}/install.sh`)).text()
  return await new Promise((resolve) => {
    const child = spawn(shell, ['-s', '--', ...args], {
      env: { ...process.env, ...env },
      stdio: ['pipe', 'pipe', 'pipe'],
    })
    let output = ''
    child.stdout.on('data', (chunk) => (output += String(chunk)))
    child.stderr.on('data', (chunk) => (output += String(chunk)))
    child.once('exit', (code) => resolve({ code, output }))
    child.stdin.end(script)
  })
}
/** A Mac as the script sees one: its `uname`, somebody who is not root, and a launchctl that writes down what it is asked and does `launchctl`. */
async function macWith(launchctl: string) {
  const made = await makeRelease('1.0.5-fff')
  const file = made.replace(platform, 'darwin-arm64')
  if (file !== made) fs.copyFileSync(path.join(served, made), path.join(served, file))
  checksums.set('darwin-arm64', (checksums.get(platform) ?? '').replace(made, file))
  const tools = fs.mkdtempSync(path.join(home, 'tools-'))
  const log = path.join(tools, 'asked')
  const write = (name: string, text: string) => fs.writeFileSync(path.join(tools, name), `#!/bin/sh\n${text}\n`, { mode: 0o755 })
  write('uname', 'if [ "$1" = -s ]; then echo Darwin; else echo arm64; fi')
  write('id', 'if [ "$1" = -u ]; then echo 501; else echo ada; fi')
  write('systemctl', 'exit 1')
  write('launchctl', `echo "$@" >> '${log}'\n${launchctl}`)
  const agents = path.join(tools, 'Library/LaunchAgents')
  return {
    env: { PATH: `${tools}:${process.env['PATH']}`, HOME: tools },
    plist: () => fs.readFileSync(path.join(agents, fs.readdirSync(agents)[0] ?? ''), 'utf8'),
    asked: () => fs.readFileSync(log, 'utf8').trim().split('\n'),
  }
}
const json = (file: string): Record<string, string> => JSON.parse(fs.readFileSync(file, 'utf8')) as Record<string, string>
const pidOf = (dir: string) => Number(fs.readFileSync(path.join(dir, 'app/agent.pid'), 'utf8'))
/** Not there, or only its number until init takes it away. */
const alive = (pid: number) => {
  try {
    process.kill(pid, 0)
    return !/^State:\s+Z/m.test(process.platform === 'linux' ? fs.readFileSync(`/proc/${pid}/status`, 'utf8') : '')
  } catch {
    return false
  }
}
const dir = () => path.join(home, "my machine's $app")
const state = (name: string) => path.join(dir(), 'state', name)
const media = () => path.join(home, 'media')
const canUnshare = process.getuid?.() === 0 && spawnSync('unshare', ['-m', 'true']).status === 0
const shells = ['sh', 'dash', 'bash'].filter((shell) => fs.existsSync(path.join('/bin', shell)))

describe.runIf(process.platform !== 'win32')('install.sh', () => {
  it('installs, registers and starts below a folder with an odd name', async () => {
    fs.mkdirSync(media())
    fs.writeFileSync(path.join(media(), 'photo.jpg'), 'original')
    await makeRelease('1.0.0-aaa')
    const result = await install([
      '--token',
      'td1.good',
      '--dir',
      dir(),
      '--index',
      `${media()};/mnt/"x"$y`,
      '--allow-index',
      '/mnt;/srv/a b',
    ])
    expect(result).toMatchObject({ code: 0, output: expect.stringContaining('ThatDAM 1.0.0-aaa runs') })
    const ran = json(state('ran.json'))
    expect(ran).toMatchObject({ version: '1.0.0-aaa', index: `${media()};/mnt/"x"$y` })
    expect(ran['token']).toBeUndefined()
    expect(Number(ran['port'])).toBeGreaterThanOrEqual(8080)
    expect(json(state('credential.json'))['args']).toEqual([
      '--starts-next',
      '--token',
      '-',
      '--url',
      url,
      '--allow-index',
      '/mnt',
      '--allow-index',
      '/srv/a b',
    ])
    expect(fs.statSync(path.join(dir(), 'state')).mode & 0o777).toBe(0o700)
    const first = pidOf(dir())
    expect(alive(first)).toBe(true)
    expect(fs.readFileSync(`/proc/${first}/cmdline`, 'utf8')).not.toContain('td1.')
  })

  it.each(shells)('again with %s: the same identity, no download, one process', async (shell) => {
    const identity = fs.readFileSync(state('identity.json'), 'utf8')
    const before = pidOf(dir())
    downloads.length = 0
    const result = await install(['--token', 'td1.good', '--dir', dir()], {}, shell)
    expect(result).toMatchObject({ code: 0, output: expect.stringContaining('ThatDAM 1.0.0-aaa runs') })
    expect(downloads).toEqual(['install.sh'])
    expect(fs.readFileSync(state('identity.json'), 'utf8')).toBe(identity)
    expect([alive(before), alive(pidOf(dir()))]).toEqual([false, true])
    expect(json(state('ran.json'))['index']).toContain(media())
  })

  it('a wrong token beside a running agent: told, and the agent runs on with what it had', async () => {
    const before = [fs.readFileSync(state('credential.json'), 'utf8'), fs.readFileSync(state('identity.json'), 'utf8')]
    const result = await install(['--token', 'td1.old', '--dir', dir()])
    expect(result).toMatchObject({ code: 1, output: expect.stringMatching(/has expired[^]*The agent that was here runs on as it was/) })
    expect([fs.readFileSync(state('credential.json'), 'utf8'), fs.readFileSync(state('identity.json'), 'utf8')]).toEqual(before)
    expect(alive(pidOf(dir()))).toBe(true)
  })

  it('a newer release: restarts into it and keeps one older, and what was said at an installation before', async () => {
    await makeRelease('1.0.1-bbb')
    expect(json(state('ran.json'))['adopt']).toBeUndefined()
    await install(['--dir', dir(), '--adopt'])
    expect(json(state('ran.json'))['adopt']).toBe('1')
    await makeRelease('1.0.2-ccc')
    const settings = path.join(dir(), 'agent.env')
    fs.appendFileSync(settings, 'RUNTIME="ns"\n')
    const before = fs.readFileSync(settings, 'utf8').split('\n').toSorted()
    const result = await install(['--dir', dir()])
    expect(result.code).toBe(0)
    expect(fs.readFileSync(settings, 'utf8').split('\n').toSorted()).toEqual(before)
    expect(json(state('ran.json'))).toMatchObject({ version: '1.0.2-ccc', adopt: '1' })
    expect(fs.readdirSync(path.join(dir(), 'app/releases')).toSorted()).toEqual(['1.0.1-bbb', '1.0.2-ccc'])
  })

  it('an agent that stops at once is told with its own words', async () => {
    fs.writeFileSync(state('refuse'), '')
    const result = await install(['--dir', dir()])
    expect(result.code).toBe(1)
    expect(result.output).toContain('The plan file is damaged.')
    fs.rmSync(state('refuse'))
    expect((await install(['--dir', dir()])).code).toBe(0)
  })

  it('--uninstall removes app and process, and keeps state, recordings and originals; --purge keeps the media', async () => {
    const pid = pidOf(dir())
    fs.mkdirSync(state('store/blobs'), { recursive: true })
    fs.writeFileSync(state('store/blobs/a'), 'recording')
    const removed = await install(['--uninstall', '--dir', dir()])
    expect(removed).toMatchObject({ code: 0, output: expect.stringContaining(`kept: ${path.join(dir(), 'state')}`) })
    expect([alive(pid), fs.existsSync(path.join(dir(), 'app')), fs.existsSync(state('identity.json'))]).toEqual([false, false, true])
    expect((await install(['--token', 'td1.good', '--dir', dir(), '--no-start'])).output).toContain('installed, not started')
    expect((await install(['--uninstall', '--purge', '--dir', dir()])).output).toContain('your recordings and uploads')
    expect(fs.readdirSync(path.join(dir(), 'state'))).toEqual(['store'])
    expect(fs.readFileSync(state('store/blobs/a'), 'utf8')).toBe('recording')
    expect(fs.readFileSync(path.join(media(), 'photo.jpg'), 'utf8')).toBe('original')
  })

  it('refuses in one sentence: expired token, wrong checksum, no archive, no disk, 32 bits, no curl, unknown option', async () => {
    await makeRelease('1.0.3-ddd')
    const other = path.join(home, 'other')
    const expired = await install(['--token', 'td1.old', '--dir', other])
    expect(expired).toMatchObject({ code: 1, output: expect.stringContaining('This token has expired.') })
    expect(fs.existsSync(path.join(other, 'app/agent.pid'))).toBe(false)
    const fresh = path.join(home, 'fresh')
    const good = checksums.get(platform) ?? ''
    checksums.set(platform, good.replace(/^[0-9a-f]{8}/, '00000000'))
    const wrong = await install(['--dir', fresh])
    expect(wrong).toMatchObject({ code: 1, output: expect.stringContaining('checksum is wrong') })
    expect(fs.readdirSync(path.join(fresh, 'app/releases'))).toEqual([])
    checksums.clear()
    expect((await install(['--dir', fresh])).output).toContain(`has no agent for ${platform}`)
    checksums.set(platform, good)
    const withTool = async (name: string, text: string) => {
      const tools = fs.mkdtempSync(path.join(home, 'tools-'))
      fs.writeFileSync(path.join(tools, name), `#!/bin/sh\n${text}\n`, { mode: 0o755 })
      return await install(['--dir', fresh], { PATH: `${tools}:${process.env['PATH']}` })
    }
    expect(await withTool('df', 'echo head; echo "/dev/x 9 9 1000 9% /"')).toMatchObject({
      code: 1,
      output: expect.stringContaining('MB free'),
    })
    expect(await withTool('uname', 'if [ "$1" = -s ]; then echo Linux; else echo armv7l; fi')).toMatchObject({
      code: 1,
      output: expect.stringContaining('64-bit'),
    })
    expect(await withTool('od', 'echo " 1"')).toMatchObject({
      code: 1,
      output: expect.stringContaining('32-bit system under a 64-bit kernel'),
    })
    expect(await install(['--frobnicate'])).toMatchObject({ code: 1, output: expect.stringContaining('unknown option') })
    const waits = await install(['--dir', path.join(home, 'waits'), '--adopt', '--no-start'])
    expect(waits.output).toContain('this machine waits to be let into a ring near')
    expect(await install(['--token'])).toMatchObject({ code: 1, output: expect.stringContaining('needs a value') })
    const bare = fs.mkdtempSync(path.join(home, 'bare-'))
    for (const tool of ['sh', 'uname', 'od', 'tr', 'id', 'mkdir', 'cat', 'grep', 'cut', 'df', 'awk', 'dirname', 'rm', 'cksum'])
      fs.symlinkSync(fs.realpathSync([`/usr/bin/${tool}`, `/bin/${tool}`].find((file) => fs.existsSync(file)) ?? ''), path.join(bare, tool))
    expect(await install(['--dir', fresh], { PATH: bare }, '/bin/sh')).toMatchObject({
      code: 1,
      output: expect.stringContaining('neither curl nor wget'),
    })
  })

  it.runIf(canUnshare)('as root under systemd: the usual places, a unit that systemd would take, gone after --uninstall', async () => {
    await makeRelease('1.0.4-eee')
    const hadFolder = fs.existsSync('/etc/thatdam')
    const log = path.join(home, 'systemctl.log')
    const tools = fs.mkdtempSync(path.join(home, 'tools-'))
    fs.writeFileSync(path.join(tools, 'systemctl'), `#!/bin/sh\necho "$@" >> '${log}'\n`, { mode: 0o755 })
    // Own mounts hide the machine's folders; a stand-in systemctl writes down what it is asked.
    const script = path.join(home, 'namespace.sh')
    const mounts = ['/run', '/etc/systemd/system', '/opt', '/usr/local/bin', '/var/lib'].map(
      (folder) => `mkdir -p ${folder} && mount -t tmpfs none ${folder}`,
    )
    const steps = [
      'set -e',
      'export PATH=/usr/bin:/bin',
      ...mounts,
      `mkdir -p /run/systemd/system /etc/thatdam && mount -t tmpfs none /etc/thatdam && export PATH='${tools}':$PATH`,
      'sh "$1" --token td1.good --index /mnt/media',
      'ls -l /opt/thatdam/current /usr/local/bin/thatdam',
      'cat /etc/thatdam/agent.env /etc/systemd/system/thatdam.service',
      'if command -v systemd-analyze >/dev/null; then systemd-analyze verify /etc/systemd/system/thatdam.service && echo VERIFIED; else echo VERIFIED; fi',
      'sh /opt/thatdam/current/share/install.sh --uninstall --purge',
      'find /opt /usr/local/bin /var/lib /etc/systemd/system -mindepth 1',
      'echo EMPTY',
    ]
    fs.writeFileSync(script, steps.join('\n'))
    const installer = path.join(home, 'install.sh')
    fs.writeFileSync(installer, await (await fetch(`${url}/install.sh`)).text())
    const outcome = await new Promise<Result>((resolve) => {
      const child = spawn('unshare', ['-m', 'sh', script, installer], { stdio: ['ignore', 'pipe', 'pipe'] })
      let output = ''
      child.stdout.on('data', (chunk) => (output += String(chunk)))
      child.stderr.on('data', (chunk) => (output += String(chunk)))
      child.once('exit', (code) => resolve({ code, output }))
    })
    if (!hadFolder) fs.rmdirSync('/etc/thatdam') // the mount point, empty
    expect(outcome).toMatchObject({ code: 0, output: expect.stringContaining('runs (systemd unit thatdam)') })
    expect(outcome.output).toContain('ExecStart="/opt/thatdam/current/bin/thatdam" run')
    expect(outcome.output).toContain('INDEX_PATHS="/mnt/media"')
    expect(outcome.output).toContain('VERIFIED')
    expect(outcome.output.trim().split('\n').slice(-2)).toEqual([
      'thatdam: Indexed folders were never changed: your originals are where they were.',
      'EMPTY',
    ])
    const asked = fs.readFileSync(log, 'utf8').trim().split('\n')
    expect(asked).toEqual([
      'daemon-reload',
      'enable --quiet thatdam',
      'restart thatdam',
      'is-active --quiet thatdam',
      'stop thatdam',
      'disable --quiet thatdam',
      'daemon-reload',
    ])
  })

  it('on a Mac: a launchd job, whose output goes nowhere since the agent has a log of its own', async () => {
    const mac = await macWith('exit 0')
    const result = await install(['--dir', path.join(home, 'mac')], mac.env)
    expect(result).toMatchObject({ code: 0, output: expect.stringContaining('ThatDAM 1.0.5-fff runs (launchd job app.thatdam.thatdam-') })
    const plist = mac.plist()
    expect(plist).toContain(`<string>${path.join(home, 'mac/thatdam')}</string>`)
    expect(plist.match(/Standard(Out|Error)Path<\/key>\s*<string>\/dev\/null</g)).toHaveLength(2)
    expect(plist).not.toMatch(/@[A-Z]+@/)
    expect(mac.asked()).toEqual([expect.stringMatching(/^bootout gui\/501\//), expect.stringMatching(/^bootstrap gui\/501 .*\.plist$/)])
  })

  it('on a Mac over SSH with nobody signed in: installed all the same, and told when it starts', async () => {
    const odd = path.join(home, 'ada & <bob>')
    const nobody = await macWith('exit 113')
    const result = await install(['--dir', odd], nobody.env)
    expect(result).toMatchObject({
      code: 0,
      output: expect.stringMatching(/starts when ada signs in[^]*ThatDAM 1\.0\.5-fff is installed\./),
    })
    expect(nobody.plist()).toContain(`<string>${path.join(home, 'ada &amp; &lt;bob&gt;/thatdam')}</string>`)
    const signedIn = await macWith('[ "$1" = print ]')
    const refused = await install(['--dir', odd], signedIn.env)
    expect(refused).toMatchObject({ code: 1, output: expect.stringContaining('launchd did not take') })
  })

  it('a download of the script that was cut short does nothing', async () => {
    const text = fs.readFileSync(path.join(checkout, 'infra/install/install.sh'), 'utf8')
    const half = spawn('sh', ['-s', '--', '--dir', path.join(home, 'half')], { stdio: ['pipe', 'ignore', 'ignore'] })
    half.stdin.end(text.slice(0, text.lastIndexOf('main "$@"')))
    expect(await new Promise((resolve) => half.once('exit', resolve))).toBe(0)
    expect(fs.existsSync(path.join(home, 'half'))).toBe(false)
  })
})
