import { readdir, readFile } from 'node:fs/promises'
import path from 'node:path'
import type { TestInfo } from '@playwright/test'
import type { Product } from './product.ts'

const LINES = 60

/** After a test that failed: what the product printed, and the end of each log of its agent, in the report. */
export async function attachTold(testInfo: TestInfo, product: Product | undefined, stateDir: string): Promise<void> {
  if (testInfo.status === testInfo.expectedStatus) return
  const logs = path.join(stateDir, 'logs')
  const names = await readdir(logs).catch(() => [])
  const parts = await Promise.all(
    names.map(async (name) => `== ${name}\n${endOf(await readFile(path.join(logs, name), 'utf8').catch(String))}`),
  )
  const body = [`== npm start\n${endOf(product?.output() ?? 'it did not start')}`, ...parts].join('\n\n')
  console.log(body)
  await testInfo.attach('what the product said', { body, contentType: 'text/plain' })
}

const endOf = (text: string): string => text.trimEnd().split('\n').slice(-LINES).join('\n')
