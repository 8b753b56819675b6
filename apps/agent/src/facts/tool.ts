import { spawn } from 'node:child_process'
import fs from 'node:fs'
import path from 'node:path'
import { searchFolders, toolEnvironment } from './env.ts'

export type ToolResult = Omit<ToolBytes, 'stdout'> & { stdout: string }

export type ToolBytes = {
  /** 0 is success; null: missing, killed by a signal or out of time. */
  code: number | null
  stdout: Buffer
  stderr: string
  /** The program is not there: normal, never an error. */
  missing: boolean
  timedOut: boolean
}

export const TOOL_TIMEOUT_MS = 5_000
const OUTPUT_BYTES_MAX = 1024 * 1024

/**
 * Runs a tool to its end, argv only, never a shell. Output above 1 MiB a stream is dropped; after `timeoutMs` it is killed.
 * Never rejects: a missing or broken tool is a fact too.
 */
export async function runTool(command: string, args: readonly string[], timeoutMs = TOOL_TIMEOUT_MS): Promise<ToolResult> {
  const result = await runToolForBytes(command, args, timeoutMs)
  return { ...result, stdout: result.stdout.toString('utf8') }
}

/** As `runTool`, for output that is no text. */
export function runToolForBytes(command: string, args: readonly string[], timeoutMs = TOOL_TIMEOUT_MS): Promise<ToolBytes> {
  return new Promise((resolve) => {
    const child = spawn(command, args, { stdio: ['ignore', 'pipe', 'pipe'], env: toolEnvironment(), windowsHide: true })
    const stdout = collect(child.stdout)
    const stderr = collect(child.stderr)
    let timedOut = false
    const timer = setTimeout(() => {
      timedOut = true
      child.kill('SIGKILL')
      // A grandchild may hold the pipes open: do not wait for it.
      child.stdout.destroy()
      child.stderr.destroy()
    }, timeoutMs)
    const end = (code: number | null, missing: boolean) => {
      clearTimeout(timer)
      resolve({ code, stdout: stdout(), stderr: stderr().toString('utf8'), missing, timedOut })
    }
    child.once('error', (error: NodeJS.ErrnoException) => end(null, error.code === 'ENOENT'))
    child.once('close', (code) => end(code, false))
  })
}

function collect(stream: NodeJS.ReadableStream): () => Buffer {
  const chunks: Buffer[] = []
  let bytes = 0
  stream.on('data', (chunk: Buffer) => {
    if (bytes < OUTPUT_BYTES_MAX) chunks.push(chunk.subarray(0, OUTPUT_BYTES_MAX - bytes))
    bytes += chunk.length
  })
  return () => Buffer.concat(chunks)
}

/** Absolute path of the first of `names` that is an executable file on the search path, or null. */
export function findTool(names: readonly string[], folders: readonly string[] = searchFolders()): string | null {
  const ending = process.platform === 'win32' ? '.exe' : ''
  for (const name of names) {
    for (const folder of folders) {
      const file = path.join(folder, name + ending)
      if (isExecutable(file)) return file
    }
  }
  return null
}

export function isExecutable(file: string): boolean {
  try {
    fs.accessSync(file, fs.constants.X_OK)
    return fs.statSync(file).isFile()
  } catch {
    return false // absent or not ours to run: both mean "not here"
  }
}

/** A small file's text without its ending NUL or line feed; null when it cannot be read (absence is normal in /sys). */
export async function readSmall(file: string): Promise<string | null> {
  try {
    return (await fs.promises.readFile(file, 'utf8')).replace(/[\0\s]+$/, '')
  } catch {
    return null
  }
}

/** Names in a folder, sorted; empty when there is no such folder. */
export async function listFolder(folder: string): Promise<string[]> {
  try {
    return (await fs.promises.readdir(folder)).toSorted()
  } catch {
    return []
  }
}
