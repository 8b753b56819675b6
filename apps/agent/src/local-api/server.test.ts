import { randomBytes } from 'node:crypto'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { generateKey, verifySignature } from '@thatdam/control/keys'
import { OpLog } from '@thatdam/oplog/disk/log'
import { AppendOpsResponse } from '@thatdam/protocol/local'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { Version } from '../state/version.ts'
import { startLocalApi, type LocalApi, type LocalApiPorts } from './server.ts'

let dir: string
let oplog: OpLog
let api: LocalApi | undefined

beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), 'thatdam-local-api-'))
  oplog = OpLog.open(dir, { nodeId: 'pi', signer: generateKey(), verify: verifySignature, clock: Date.now, random: randomBytes })
})
afterEach(async () => {
  await api?.close()
  oplog.close()
  await rm(dir, { recursive: true, force: true })
})

const unused = (): never => {
  throw new Error('not asked for in this test')
}

async function append(ports: Pick<LocalApiPorts, 'saved'>, kinds: ('title' | 'name')[], signal?: AbortSignal): Promise<AppendOpsResponse> {
  const { url, token } = (api = await startLocalApi(join(dir, 'local.json'), {
    version: new Version(),
    state: unused,
    oplog,
    onAppended: () => {},
    command: unused,
    folders: unused,
    source: unused,
    ring: {
      joinTokens: unused,
      makeJoinToken: unused,
      revokeJoinToken: unused,
      removeMember: unused,
      makeRecoveryKey: unused,
      useRecoveryKey: unused,
      goOver: unused,
      enter: unused,
      adopt: unused,
      answerAdoption: unused,
      rekey: unused,
      rekeyed: unused,
      roamTicket: unused,
    },
    owner: unused,
    setOwner: unused,
    newSession: unused,
    endSession: unused,
    log: () => {},
    ...ports,
  }))
  const edit = { value: 'Crete', replaces: null }
  const ops = kinds.map((kind) => ({
    body:
      kind === 'title'
        ? { kind: 'asset.set', subject: 'a'.repeat(64), field: 'title', ...edit }
        : { kind: 'node.set', subject: 'pi', field: 'name', ...edit },
  }))
  const headers = { authorization: `Bearer ${token}`, 'content-type': 'application/json' }
  const request = { method: 'POST', headers, body: JSON.stringify({ ops }), ...(signal && { signal }) }
  return AppendOpsResponse.parse(await (await fetch(`${url}/local/ops`, request)).json())
}

test('appended ops are on the disk before it is asked who else has them, and the answer says what came of it', async () => {
  const asked: (readonly number[])[] = []
  const saved: LocalApiPorts['saved'] = (positions) => {
    asked.push(positions)
    expect(oplog.read(0, 10)).toHaveLength(2)
    return Promise.resolve('saved')
  }
  const answer = await append({ saved }, ['title', 'name'])
  expect(answer.durability).toBe('saved')
  expect(asked).toEqual([answer.ops.map(({ position }) => position)])
})

test('with nobody to copy to it is saved here', async () => {
  expect((await append({}, ['title'])).durability).toBe('here')
})

test('a caller that goes away ends the wait', async () => {
  const gone = new AbortController()
  const ended = new Promise<void>((resolve) => {
    const saved: LocalApiPorts['saved'] = (_, signal) => {
      gone.abort()
      return new Promise((done) =>
        signal.addEventListener('abort', () => {
          resolve()
          done('here')
        }),
      )
    }
    append({ saved }, ['title'], gone.signal).catch(() => {})
  })
  await ended
  expect(oplog.position).toBe(1)
})
