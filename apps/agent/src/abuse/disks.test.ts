import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { sampleToken } from '@thatdam/control/testing/samples'
import { TestControl } from '@thatdam/control/testing/server'
import { type SmallDisk, spawnOnDisk, whyNoSmallDisks } from '@thatdam/testkit/abuse/small-disk'
import { afterEach, beforeEach, expect, test } from 'vitest'

/* A state directory on a disk that is full or may not be written, for the start and for registering. */

const main = join(dirname(import.meta.dirname), 'main.ts')
/** From room for nothing to room for all that registering writes. */
const SIZES_KILOBYTES = [4, 12, 20, 40, 80]
let directory = ''
let control: TestControl

beforeEach(async () => {
  directory = mkdtempSync(join(tmpdir(), 'thatdam-disks-'))
  mkdirSync(join(directory, 'disk'))
  mkdirSync(join(directory, 'out'))
  control = await new TestControl().start()
})
afterEach(async () => {
  await control.stop()
  rmSync(directory, { recursive: true, force: true })
})

interface Outcome {
  readonly code: number
  readonly said: string
}

/** What is done to the disk between two commands. */
const STEPS = { grow: 'size=64m', protect: 'ro' } as const
type Step = keyof typeof STEPS

/** Runs each line of commands on the same disk, one after the other. */
async function onDisk(disk: Omit<SmallDisk, 'mountPoint'>, lines: readonly (Step | readonly string[])[]): Promise<Outcome[]> {
  const out = join(directory, 'out')
  const steps = lines.map((line, index) => {
    if (typeof line === 'string') return `mount -o remount,${STEPS[line]} thatdam-test "$MOUNT_POINT"`
    const words = line.map((word) => `'${word}'`).join(' ')
    return `code=0; timeout 20 "$@" ${words} >'${out}/${index}' 2>&1 || code=$?; echo $code >'${out}/${index}.code'`
  })
  const mountPoint = join(directory, 'disk')
  const env: Record<string, string | undefined> = {
    PATH: process.env['PATH'],
    HOME: directory,
    STATE_DIR: join(mountPoint, 'state'),
    SERVICE_PORT: '0',
    NODE_API_PORT: '0',
    NODE_API_BIND: '127.0.0.1',
  }
  const child = spawnOnDisk({ ...disk, mountPoint }, [process.execPath, main], {
    steps: steps.join('\n'),
    stdio: ['ignore', 'ignore', 'inherit'],
    env: env as NodeJS.ProcessEnv,
  })
  await new Promise((resolve) => child.once('close', resolve))
  return lines.flatMap((line, index) =>
    typeof line === 'string'
      ? []
      : [{ code: Number(readFileSync(join(out, `${index}.code`), 'utf8')), said: readFileSync(join(out, String(index)), 'utf8') }],
  )
}

function register(): readonly string[] {
  const { text, stored } = sampleToken(control.instance.publicKey, Date.now())
  control.store.addToken(stored)
  const file = join(directory, 'token')
  writeFileSync(file, text)
  return ['register', '--url', control.url, '--token-file', file]
}

/** One sentence for a person, and no trace of the program. */
function expectSentence({ code, said }: Outcome, words: RegExp): void {
  expect(code).toBe(1)
  expect(said).toMatch(words)
  expect(said).not.toMatch(/\n\s+at |should not have/)
}

test('a read-only disk: registering and the start say so in a sentence', async () => {
  const refusal = await whyNoSmallDisks(join(directory, 'disk'))
  if (refusal !== null) {
    console.log(refusal)
    return
  }
  const outcomes = await onDisk({ sizeKilobytes: 64, isReadOnly: true }, [register(), ['run']])
  for (const outcome of outcomes) expectSentence(outcome, /mounted read-only/)
  // The same when it became so while the machine was off, as an SD card does that is worn out.
  const [before, ...after] = await onDisk({ sizeKilobytes: 65_536 }, [register(), 'protect', register(), ['run']])
  expect(before?.code).toBe(0)
  for (const outcome of after) expectSentence(outcome, /read-only/)
}, 60_000)

test('a disk that is full at any moment of registering: a sentence, and with room again the same command does it', async () => {
  const refusal = await whyNoSmallDisks(join(directory, 'disk'))
  if (refusal !== null) {
    console.log(refusal)
    return
  }
  let failed = 0
  for (const sizeKilobytes of SIZES_KILOBYTES) {
    const command = register()
    const [first, second, third] = await onDisk({ sizeKilobytes }, [command, 'grow', command, command])
    if (first && first.code !== 0) {
      failed += 1
      expectSentence(first, /no (disk )?space|takes no more data|is full/)
    }
    expect([sizeKilobytes, second?.code, second?.said]).toEqual([sizeKilobytes, 0, expect.stringContaining('egistered with')])
    const named = (outcome?: Outcome) => / as ([a-z0-9-]+)\./.exec(outcome?.said ?? '')?.[1]
    expect([third?.code, named(third)]).toEqual([0, named(second)])
  }
  // Neither did all of them fit, nor none.
  expect([failed > 0, failed < SIZES_KILOBYTES.length]).toEqual([true, true])
}, 240_000)

test('a disk that is full at any moment of the start: a sentence, and with room again the machine comes up as itself', async () => {
  const refusal = await whyNoSmallDisks(join(directory, 'disk'))
  if (refusal !== null) {
    console.log(refusal)
    return
  }
  for (const sizeKilobytes of [4, 16, 40, 100]) {
    const [start, registered] = await onDisk({ sizeKilobytes }, [['run'], 'grow', register()])
    // Where there was just room enough it ran until the test ended it.
    if (start && start.code !== 124)
      expectSentence(
        {
          ...start,
          said: start.said
            .split('\n')
            .filter((line) => line.startsWith('thatdam:'))
            .join('\n'),
        },
        /no (disk )?space|takes no more data|is full/,
      )
    expect([sizeKilobytes, registered?.code, registered?.said]).toEqual([sizeKilobytes, 0, expect.stringContaining('egistered with')])
  }
}, 240_000)
