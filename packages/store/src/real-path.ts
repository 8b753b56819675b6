import { realpathSync } from 'node:fs'

/**
 * Where a path really lies, in the system's own spelling: letters as they are on the disk, a mapped drive as the share it stands for. Only so
 * it compares with what fs.promises.realpath says, which asks the system too; realpathSync follows links by itself and keeps what was typed.
 * Some volumes (RAM disks on Windows) do not tell it: there it is as typed, links followed.
 * @throws the system's error (ENOENT, EACCES, ELOOP …).
 */
export function realPath(path: string, read: { (path: string): string; native(path: string): string } = realpathSync): string {
  try {
    return read.native(path)
  } catch {
    return read(path)
  }
}
