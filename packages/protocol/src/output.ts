/** Where a process writes what it has to say, as `process.stdout` is. */
interface Output {
  on(event: 'error', handler: () => void): unknown
}

/**
 * Who reads a process's output may end before it, or the disk it goes to be full. What can no longer be told must not end the process,
 * which has an order of its own to stop in.
 */
export function outliveReaders(...outputs: readonly Output[]): void {
  for (const output of outputs) output.on('error', () => {})
}
