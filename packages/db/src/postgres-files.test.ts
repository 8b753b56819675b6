import { spawnSync } from 'node:child_process'
import { chmodSync, mkdirSync, mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { expect, test } from 'vitest'
import { accountIn } from './postgres-files.ts'

test('the account is PostgreSQL’s own, else nobody’s, and never one whose number Node cannot give', () => {
  const mac = ['nobody:*:-2:-2:Unprivileged User:/var/empty:/usr/bin/false', 'root:*:0:0:System Administrator:/var/root:/bin/sh']
  expect(accountIn(mac.join('\n'))).toBeNull()
  expect(accountIn([...mac, '_postgres:*:216:216:PostgreSQL Server:/var/empty:/usr/bin/false'].join('\n'))).toEqual({ uid: 216, gid: 216 })
  const debian = 'nobody:x:65534:65534:nobody:/nonexistent:/usr/sbin/nologin\n'
  expect(accountIn(debian)).toEqual({ uid: 65534, gid: 65534 })
  expect(accountIn(`${debian}postgres:x:109:117::/var/lib/postgresql:/bin/bash\n`)).toEqual({ uid: 109, gid: 117 })
  expect(accountIn('postgres:x:0:0::/:/bin/sh\nnobody:x:4294967294:4294967294::/:/bin/sh\n')).toBeNull()
})

test.runIf(process.platform !== 'win32')('a service with a closed umask copies programs that another account can run', () => {
  const dir = mkdtempSync(path.join(tmpdir(), 'thatdam-pg-'))
  const source = path.join(dir, 'source')
  mkdirSync(path.join(source, 'bin'), { recursive: true, mode: 0o700 })
  writeFileSync(path.join(source, 'bin/postgres'), '#!/bin/sh\necho it runs\n', { mode: 0o700 })
  chmodSync(dir, 0o700)
  const cache = path.join(dir, 'shared/cache')
  const code = `import { usableBinaries } from ${JSON.stringify(path.join(import.meta.dirname, 'postgres-files.ts'))}
    process.umask(0o077)
    console.log(usableBinaries(${JSON.stringify(cache)}, { uid: 65534, gid: 65534 }, ${JSON.stringify(source)}))`
  const made = spawnSync(process.execPath, ['--input-type=module', '-e', code], { encoding: 'utf8' })
  const copy = made.stdout.trim()
  expect(path.dirname(copy), made.stderr).toBe(cache)
  for (const at of [path.dirname(cache), cache, copy, path.join(copy, 'bin'), path.join(copy, 'bin/postgres')])
    expect([at, statSync(at).mode & 0o777]).toEqual([at, 0o755])
  expect(statSync(dir).mode & 0o777).toBe(0o700)
  rmSync(dir, { recursive: true })
})
