const TAIL_MAX = 4_000

/** The end of what a process wrote, for the sentence that says why it ended. */
export class Tail {
  private text = ''

  add(data: string | Buffer): void {
    this.text = (this.text + data.toString('utf8')).slice(-TAIL_MAX)
  }

  /** The line that names the error: not a stack frame. */
  lastLine(): string {
    const lines = this.text
      .split('\n')
      .map((line) => line.trim())
      .filter((line) => line !== '' && !line.startsWith('at ') && !line.startsWith('Node.js v') && line !== '}' && line !== '{')
    return (lines.findLast((line) => /error/i.test(line)) ?? lines.at(-1) ?? '').slice(0, 200)
  }
}
