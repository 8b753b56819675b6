import { expect, test } from 'vitest'
import { readEnv } from './env.ts'

test('children get what the agent got, but for its secrets and for what keeps it small', () => {
  const source = {
    PATH: '/bin',
    THATDAM_TOKEN: 'td1.secret',
    UV_THREADPOOL_SIZE: '2',
    MALLOC_TRIM_THRESHOLD_: '65536',
    MALLOC_TOP_PAD_: '16384',
  }
  expect(readEnv(source).childEnvironment).toEqual({ PATH: '/bin', MALLOC_ARENA_MAX: '2' })
})

test('a variable that cannot be used is named with what it takes', () => {
  expect(() => readEnv({ SERVICE_PORT: 'eighty' })).toThrow(/SERVICE_PORT/)
})
