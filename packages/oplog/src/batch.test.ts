import { type Op, type OpBody, type OpKind, OpBody as OpBodySchema } from '@thatdam/protocol/ops'
import { describe, expect, test } from 'vitest'
import { batchHash, type LogHead, makeBatch, verifyBatch } from './batch.ts'
import { testSigner, testVerify } from './disk/testing/options.ts'
import { maySign } from './rights.ts'

const signer = testSigner()
const log = { nodeId: 'pi', scope: 'library' as const, epoch: 'e'.repeat(32), head: null as LogHead }
const opAt = (ms: number, nodeId = 'pi'): Op => ({
  id: String(ms).padStart(32, '0'),
  hlc: `${String(ms).padStart(13, '0')}-000000-${nodeId}`,
  body: { kind: 'blob.stored', sha256: 'a'.repeat(64), sizeBytes: ms, nodeId: 'pi' },
})

describe('batches', () => {
  const one = makeBatch(log, [opAt(1), opAt(2)], signer)
  const two = makeBatch({ ...log, head: one.head }, [opAt(3)], signer)
  const at = (head: LogHead) => ({ publicKey: signer.publicKey, head })

  test('a chain verifies link by link', () => {
    expect(verifyBatch(one.batch, at(null), testVerify)).toEqual({ ok: true, head: one.head })
    expect(verifyBatch(two.batch, at(one.head), testVerify)).toEqual({ ok: true, head: { sequence: 2, hash: batchHash(two.batch.header) } })
    expect(two.batch.header.previous).toBe(one.head.hash)
  })

  test('each fault is told by its name', () => {
    const rival = makeBatch(log, [opAt(9)], signer)
    const foreign = makeBatch(log, [opAt(1, 'win')], signer)
    const mixed = makeBatch({ ...log, scope: 'ring' }, [opAt(1)], signer)
    const faultOf = (batch: typeof one.batch, head: LogHead): string => {
      const verdict = verifyBatch(batch, at(head), testVerify)
      return verdict.ok ? 'ok' : verdict.fault
    }
    expect(faultOf(two.batch, null)).toBe('gap')
    expect(faultOf(one.batch, one.head)).toBe('fork')
    expect(faultOf(two.batch, rival.head)).toBe('fork')
    expect(faultOf(foreign.batch, null)).toBe('foreign-stamp')
    expect(faultOf(mixed.batch, null)).toBe('wrong-scope')
    expect(faultOf({ ...one.batch, signer: testSigner().publicKey }, null)).toBe('wrong-key')
    expect(faultOf({ ...one.batch, header: { ...one.batch.header, sequence: 2 } }, null)).toBe('bad-signature')
    expect(faultOf({ ...one.batch, ops: one.batch.ops.slice(1) }, null)).toBe('bad-count')
    expect(faultOf({ ...one.batch, ops: one.batch.ops.toReversed() }, null)).toBe('bad-root')
    expect(() => makeBatch(log, [], signer)).toThrow(RangeError)
  })
})

describe('who may sign', () => {
  const worker = { nodeId: 'pizero-cam1', admitter: false }
  const leader = { nodeId: 'pi5', admitter: true }
  const set = { kind: 'asset.set', subject: 'a'.repeat(64), field: 'trashed', value: true, replaces: null } as const

  test('every kind is in exactly one of three groups', () => {
    const kinds = OpBodySchema.def.options.map((option) => option.shape.kind.def.values[0] as OpKind)
    const verdicts = kinds.map((kind) => {
      const own = maySign({ kind, nodeId: worker.nodeId } as unknown as OpBody, worker)
      const others = maySign({ kind, nodeId: leader.nodeId } as unknown as OpBody, worker)
      const admitters = maySign({ kind, nodeId: worker.nodeId } as unknown as OpBody, leader)
      return [kind, own.ok, others.ok, admitters.ok]
    })
    expect(Object.fromEntries(verdicts.map(([kind, ...rest]) => [kind, rest]))).toEqual({
      'asset.ingested': [true, true, true],
      'asset.probed': [true, true, true],
      'location.seen': [true, false, false],
      'location.gone': [true, false, false],
      'blob.stored': [true, false, false],
      'derivative.made': [true, true, true],
      'derivative.failed': [true, true, true],
      'asset.set': [false, false, true],
      'node.set': [false, false, true],
      'camera.set': [false, false, true],
      'camera.seen': [true, false, false],
      'capture.started': [true, true, true],
      'capture.stopped': [true, true, true],
      'capture.gap': [true, true, true],
      'node.facts': [true, false, false],
      'policy.set': [false, false, true],
      'secret.set': [false, false, true],
      'session.started': [false, false, true],
      'session.ended': [false, false, true],
    })
  })

  test('a camera stolen from a shed trashes nothing', () => {
    expect(maySign(set, worker)).toEqual({ ok: false, reason: 'needs-admitter' })
    expect(maySign(set, leader)).toEqual({ ok: true })
  })
})
