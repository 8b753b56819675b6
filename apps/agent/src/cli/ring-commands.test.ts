import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { makeToken } from '@thatdam/control/token'
import { RingTokensFile } from '@thatdam/protocol/ring-join'
import { until } from '@thatdam/testkit/hosts/command'
import type { RingMachine } from '@thatdam/testkit/ring/machine'
import { AGENT_DIST, agentCommand } from '@thatdam/testkit/ring/program'
import { TestRing } from '@thatdam/testkit/ring/ring'
import { afterEach, beforeEach, expect, test } from 'vitest'

/* Real agents, and the commands that a person types beside them. */

const PASSWORD_HASH = `$argon2id$v=19$m=19456,t=2,p=1$${'A'.repeat(22)}$${'A'.repeat(43)}`
const LIMIT_MS = 60_000

let directory = ''
let ring: TestRing | null = null
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'thatdam-cli-'))
})
afterEach(async () => {
  await ring?.down()
  ring = null
  rmSync(directory, { recursive: true, force: true })
})

async function claim(machine: RingMachine): Promise<void> {
  await machine.answers()
  await machine.local('PUT', '/local/owner', { passwordHash: PASSWORD_HASH })
}

const inOneRing = async (machines: readonly RingMachine[]) => await ring?.settled({ among: machines, limitMs: LIMIT_MS })

/** A command that somebody types on this machine, and what stands in its terminal. */
class Typed {
  output = ''
  readonly code: Promise<number>
  private readonly child: ReturnType<RingMachine['host']['spawn']>

  constructor(machine: RingMachine, ...args: readonly string[]) {
    const command = agentCommand(AGENT_DIST, args)
    this.child = machine.host.spawn(process.execPath, command, { env: machine.environment(), stdio: 'pipe' })
    for (const stream of [this.child.stdout, this.child.stderr]) stream?.on('data', (chunk: Buffer) => (this.output += chunk.toString()))
    this.code = new Promise((resolve) => this.child.once('close', (code) => resolve(code ?? 1)))
  }

  async shows(pattern: RegExp): Promise<string> {
    let found: string | undefined
    const look = () => (found = pattern.exec(this.output)?.[0]) !== undefined
    await until(`it shows ${String(pattern)}, after ${this.output}`, look, LIMIT_MS)
    return found ?? ''
  }

  type(line: string): void {
    this.child.stdin?.write(`${line}\n`)
  }
}

async function tokenOf(machine: RingMachine, ...args: readonly string[]): Promise<string> {
  const { code, output } = await machine.thatdam({}, 'token', ...args)
  expect([code, output]).toEqual([0, expect.stringContaining('thatdam register --token td1.')])
  return /td1\.\S+/.exec(output)?.[0] ?? ''
}

const register = (machine: RingMachine, token: string) => machine.thatdam({ THATDAM_TOKEN: token }, 'register')

test('two people at two terminals compare six digits: other digits confirm nothing, the same ones let the machine in', async () => {
  ring = await TestRing.up({ profiles: ['pi5-desktop', 'pi5-server'], directory, joined: false })
  const [owner, joiner] = [ring.machine('pi5-desktop'), ring.machine('pi5-server')]
  owner.start()
  joiner.start()
  await joiner.answers()
  await claim(owner)
  const early = await owner.thatdam({}, 'approve')
  expect([early.code, early.output]).toEqual([1, expect.stringContaining('Begin with: thatdam approve --let-in NAME')])
  const waits = async () => (await owner.thatdam({}, 'approve', '--list')).output.includes('pi5-server')
  await until('it waits', waits, LIMIT_MS)

  const outside = new Typed(joiner, 'approve')
  await outside.shows(/This machine asks to be let in\. Choose it in the console of the ring, under Nodes: pi5-desktop/)
  const inside = new Typed(owner, 'approve', '--let-in', 'pi5-server')
  const code = await inside.shows(/\d{3} \d{3}/)
  expect(await outside.shows(/\d{3} \d{3}/)).toBe(code)
  const other = String((Number(code.replace(' ', '')) + 1) % 1_000_000).padStart(6, '0')
  const wrong = await joiner.thatdam({}, 'approve', other)
  expect([wrong.code, wrong.output]).toEqual([1, expect.stringContaining('This machine shows other digits, so nothing was confirmed.')])
  expect((await joiner.thatdam({}, 'approve', '12')).output).toContain('“12” is no code: it is six digits')
  inside.type('yes')
  await inside.shows(/Now somebody says yes on pi5-server\./)
  // Somebody else has the digits from the telephone.
  const right = await joiner.thatdam({}, 'approve', ...code.split(' '))
  expect([right.code, right.output]).toEqual([0, expect.stringContaining('This machine is in the ring of pi5-desktop.')])
  expect([await inside.code, inside.output]).toEqual([0, expect.stringContaining('pi5-server is in the ring.')])
  outside.type('yes')
  expect([await outside.code, outside.output]).toEqual([0, expect.stringContaining('This machine is in the ring of pi5-desktop.')])
  await inOneRing([owner, joiner])
  const members = (await joiner.thatdam({}, 'members')).output
  expect(members).toMatch(/^pi5-server .*awake.*this machine$/m)
  expect(members).toMatch(/^pi5-desktop .*lets machines in$/m)

  expect((await joiner.thatdam({}, 'leave', '--yes')).output).toContain('This machine left the ring.')
  await until('it is alone again', async () => (await joiner.state())?.members.length === 1, LIMIT_MS)
  expect((await joiner.thatdam({}, 'leave', '--yes')).output).toContain('there is nothing to leave')
}, 240_000)

test('the printed key is shown once and typed in at the other ring, never on the command line; a slip of the pen is found', async () => {
  ring = await TestRing.up({ profiles: ['pi5-desktop', 'pi5-server'], directory, joined: false })
  const [one, other] = [ring.machine('pi5-desktop'), ring.machine('pi5-server')]
  one.start()
  other.start()
  await claim(one)
  await claim(other)
  const made = await one.thatdam({}, 'recovery-key', 'make')
  const words = /^ {2}(\S{4}(?:-\S{4}){13})$/m.exec(made.output)?.[1] ?? ''
  expect([made.code, words]).toEqual([0, expect.stringContaining('-')])
  expect((await one.thatdam({}, 'recovery-key', 'make')).output).toContain('The ring has a recovery key already.')
  const onLine = await other.thatdam({}, 'recovery-key', 'use', words)
  expect([onLine.code, onLine.output]).toEqual([1, expect.stringContaining('does not belong on the command line')])
  const [slip, short] = [join(directory, 'slip'), join(directory, 'short')]
  writeFileSync(slip, words.replace(/^(.)(.)/, words.startsWith('00') ? '11' : '00'))
  writeFileSync(short, words.slice(5))
  expect((await other.thatdam({}, 'recovery-key', 'use', '--file', slip)).output).toContain('its check signs do not fit.')
  expect((await other.thatdam({}, 'recovery-key', 'use', '--file', short)).output).toContain('this is 52 signs instead of 56.')
  expect((await other.thatdam({}, 'recovery-key', 'use', '--file', join(directory, 'none'))).output).toContain('cannot be read (ENOENT)')
  expect((await other.thatdam({}, 'recovery-key')).output).toContain('Say what to do with the recovery key')

  const typed = new Typed(other, 'recovery-key', 'use')
  typed.type(` ${words.toLowerCase().replaceAll('-', ' ')} `)
  expect([await typed.code, typed.output]).toEqual([0, expect.stringContaining('This ring belongs to whoever holds this key from now on.')])
  await inOneRing([one, other])
  expect(readFileSync(other.logFile, 'utf8') + readFileSync(one.logFile, 'utf8')).not.toContain(words.slice(0, 9))
}, 240_000)

test('a token of the ring brings in an agent that runs and one that does not; used, withdrawn, expired and foreign ones say so', async () => {
  ring = await TestRing.up({ profiles: ['pi5-desktop', 'pi5-server', 'macbook'], directory, joined: false })
  const [owner, runs, off] = [ring.machine('pi5-desktop'), ring.machine('pi5-server'), ring.machine('macbook')]
  owner.start()
  runs.start()
  await runs.answers()
  await claim(owner)
  const foreign = makeToken('7d1e5a0c-1b7f-4c53-9a55-6f0d3c1b2a01', '0'.repeat(32)).text
  const lost = register(owner, foreign)
  const token = await tokenOf(owner)
  expect(await register(runs, token)).toEqual({ code: 0, output: 'Registered with the ring as pi5-server.\n' })
  await inOneRing([owner, runs])
  expect((await register(runs, token)).output).toContain('It stays the same node.')
  expect((await register(off, token)).output).toContain('used')

  const withdrawn = await tokenOf(owner, '--minutes', '60')
  const id = /^\S+/.exec((await owner.thatdam({}, 'token', '--list')).output)?.[0] ?? ''
  expect((await owner.thatdam({}, 'token', '--revoke', id.slice(0, 8))).output).toContain('The token is withdrawn.')
  expect((await owner.thatdam({}, 'token', '--list')).output).toContain('No join token of this machine may be used now.')
  expect((await register(off, withdrawn)).output).toContain('withdrawn')

  expect((await lost).output).toContain('The machine that made this token was not found on this network.')
  const late = await tokenOf(owner, '--machines', '2')
  const file = join(owner.stateDir, 'ring-tokens.json')
  await owner.shutDown()
  const known = RingTokensFile.parse(JSON.parse(readFileSync(file, 'utf8')))
  const expired = known.tokens.map((one) => (one.maxUses === 2 ? { ...one, createdAtMs: 1, expiresAtMs: 2 } : one))
  writeFileSync(file, JSON.stringify({ ...known, tokens: expired }))
  owner.start()
  await owner.answers()
  expect((await register(off, late)).output).toContain('expired')

  // A token of the ring, of which this machine then finds itself a member when it is started.
  expect(await register(off, await tokenOf(owner))).toMatchObject({
    code: 0,
    output: expect.stringContaining('Start it with: thatdam run'),
  })
  off.start()
  await inOneRing([owner, runs, off])

  const refused = await register(off, foreign)
  expect([refused.code, refused.output]).toEqual([1, expect.stringContaining('This machine is in a ring with other machines.')])
  expect((await owner.thatdam({}, 'token', '--machines', '0')).output).toContain('--machines takes a whole number from 1 to 100, not “0”.')
}, 300_000)

test('the founder dies, and the machine that stood by admits a new one by a token of its own; the founder comes back to all', async () => {
  ring = await TestRing.up({ profiles: ['pi5-desktop', 'pi5-server', 'macbook'], directory, joined: false })
  const [founder, standby, late] = [ring.machine('pi5-desktop'), ring.machine('pi5-server'), ring.machine('macbook')]
  founder.start()
  standby.start()
  await standby.answers()
  await claim(founder)
  await register(standby, await tokenOf(founder))
  await inOneRing([founder, standby])
  const mayAdmit = async () => (await standby.state())?.members.find(({ self }) => self)?.admitter === true
  await until('the machine that stands by may let others in', mayAdmit, LIMIT_MS)
  await founder.powerCut()
  expect((await inOneRing([standby]))?.leader).toBe('pi5-server')

  late.start()
  await late.answers()
  expect(await register(late, await tokenOf(standby))).toMatchObject({ code: 0 })
  await inOneRing([standby, late])
  founder.start()
  const settled = await inOneRing([founder, standby, late])
  expect((await founder.cluster())?.cluster_id).toBe(settled?.clusterId)
}, 300_000)
