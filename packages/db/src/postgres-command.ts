import path from 'node:path'

/**
 * All that PostgreSQL's programs see of ours. On Windows they run one another through cmd, which they find by ComSpec, and load the system's
 * libraries.
 */
export function serverEnvironment(platform: NodeJS.Platform, bin: string, systemRoot: string): Record<string, string> {
  if (platform !== 'win32') return { LC_ALL: 'C', TZ: 'UTC', LD_LIBRARY_PATH: path.resolve(bin, '../lib'), PATH: bin }
  const system32 = path.win32.join(systemRoot, 'System32')
  return {
    LC_ALL: 'C',
    TZ: 'UTC',
    PATH: [bin, system32, systemRoot].join(';'),
    SystemRoot: systemRoot,
    ComSpec: path.win32.join(system32, 'cmd.exe'),
  }
}

/** The server's settings as words of its command line; none holds a blank or a quote. */
export function serverWords(port: number, sharedBuffersMiB: number): string[] {
  const settings = {
    listen_addresses: '127.0.0.1',
    unix_socket_directories: '',
    shared_buffers: `${sharedBuffersMiB}MB`,
    max_connections: '60',
    log_checkpoints: 'off',
  }
  return ['-p', String(port), ...Object.entries(settings).flatMap(([key, value]) => ['-c', `${key}=${value}`])]
}

/** For pg_ctl: starts the server, waits so long until it is ready, and ends. */
export function controlledStart(options: { data: string; log: string; words: readonly string[]; waitSeconds: number }): string[] {
  const { data, log, words, waitSeconds } = options
  return ['start', '-s', '-w', '-t', String(waitSeconds), '-D', data, '-l', log, '-o', words.join(' ')]
}

/** For pg_ctl: tells the server to end, and does not wait for it. */
export const controlledStop = (data: string): string[] => ['stop', '-s', '-W', '-m', 'fast', '-D', data]
