import { expect, test } from 'vitest'
import { residentBytes } from './group.ts'

test.runIf(process.platform === 'linux')(
  'the memory of a process is what the system says in kilobytes, whatever the size of its pages',
  () => {
    const told = residentBytes(process.pid) ?? 0
    expect(told / process.memoryUsage().rss).toBeGreaterThan(0.8)
    expect(told / process.memoryUsage().rss).toBeLessThan(1.25)
    expect(residentBytes(2 ** 22 + 1)).toBeNull()
  },
)
