import { execFile } from 'node:child_process'

/** Output of a system tool. @throws Error with its command line and what it said. */
export function command(file: string, args: readonly string[]): Promise<string> {
  return new Promise((resolve, reject) => {
    execFile(file, [...args], { timeout: 20_000 }, (error, stdout, stderr) => {
      if (error) reject(new Error(`${file} ${args.join(' ')}: ${stderr.trim() || error.message}`, { cause: error }))
      else resolve(stdout)
    })
  })
}

/** Many `ip` commands with one process. @throws Error as `command`. */
export function ipBatch(namespace: string | null, lines: readonly string[]): Promise<string> {
  return new Promise((resolve, reject) => {
    const child = execFile(
      'ip',
      [...(namespace === null ? [] : ['-n', namespace]), '-batch', '-'],
      { timeout: 20_000 },
      (error, stdout, stderr) => {
        if (error) reject(new Error(`ip -batch in ${namespace ?? 'the machine'}: ${stderr.trim()}\n${lines.join('\n')}`, { cause: error }))
        else resolve(stdout)
      },
    )
    child.stdin?.end(`${lines.join('\n')}\n`)
  })
}

/** Waits until `done` says so. @throws Error that names what was waited for. */
export async function until(what: string, done: () => boolean | Promise<boolean>, timeoutMs = 10_000): Promise<void> {
  const endMs = performance.now() + timeoutMs
  while (!(await done())) {
    if (performance.now() > endMs) throw new Error(`not within ${timeoutMs} ms: ${what}`)
    await new Promise((resolve) => setTimeout(resolve, 10))
  }
}
