/** `sqlite3 TCC.db "select client,auth_value …"`: a line a program, `|` between. 0 denied, 2 allowed. */
export function parseTccCamera(text: string): { readonly client: string; readonly allowed: boolean }[] {
  return text.split('\n').flatMap((line) => {
    const [, client, value] = /^(.+)\|(\d)$/.exec(line.trim()) ?? []
    return client && value ? [{ client, allowed: value === '2' || value === '3' }] : []
  })
}
