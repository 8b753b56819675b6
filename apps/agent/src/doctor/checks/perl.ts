import type { Check } from '../check.ts'
import { fail, ok } from '../finding.ts'
import { installCommand } from '../machine.ts'

const NAME = 'Perl'

/** ExifTool is a Perl program; Windows gets its own. */
export const check: Check = {
  name: NAME,
  limitMs: 5_000,
  run: async ({ machine }) => {
    if (machine.platform === 'win32') return []
    const { stdout, missing } = await machine.run('perl', ['-e', 'printf "v%vd", $^V'])
    if (missing) return [fail(NAME, 'Not found: dates, cameras and places inside photos cannot be read.', installCommand(machine, 'perl'))]
    const version = /v(\d+\.\d+)/.exec(stdout)?.[1]
    return [version ? ok(NAME, `${version}, for ExifTool.`) : fail(NAME, 'It is there, but does not run.', 'Try it by hand: perl -v')]
  },
}
