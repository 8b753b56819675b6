/** GPUs out of `nvidia-smi --query-gpu=name,memory.total --format=csv`: any columns, found by their heading. Memory in MiB. */
export function parseNvidiaSmi(text: string): { name: string; vramBytes: number | null }[] {
  const [head = '', ...rows] = text.split(/\r?\n/).filter((line) => line.trim() !== '')
  const columns = head.split(',').map((column) => column.trim())
  const nameAt = columns.indexOf('name')
  const memoryAt = columns.findIndex((column) => column.startsWith('memory.total'))
  if (nameAt < 0) return []
  return rows.flatMap((row) => {
    const cells = row.split(',').map((cell) => cell.trim())
    const name = cells[nameAt]
    const mebibytes = /^(\d+)(?: MiB)?$/.exec(cells[memoryAt] ?? '')?.[1]
    return name ? [{ name, vramBytes: mebibytes ? Number(mebibytes) * 1024 * 1024 : null }] : []
  })
}
