/** Names of ARM cores by "CPU part" of implementer 0x41 (Arm Ltd), for boards whose kernel prints no model name. Source: Linux arch/arm64/include/asm/cputype.h. */
const ARM_PARTS: Readonly<Record<string, string>> = {
  '0xd03': 'Cortex-A53',
  '0xd04': 'Cortex-A35',
  '0xd05': 'Cortex-A55',
  '0xd07': 'Cortex-A57',
  '0xd08': 'Cortex-A72',
  '0xd09': 'Cortex-A73',
  '0xd0a': 'Cortex-A75',
  '0xd0b': 'Cortex-A76',
  '0xd0c': 'Neoverse-N1',
  '0xd40': 'Neoverse-V1',
  '0xd49': 'Neoverse-N2',
}

/** /proc/cpuinfo of x86 and ARM: processor model, and the board's model where an ARM kernel tells it ("Model : Raspberry Pi …"). */
export function parseCpuinfo(text: string): { cpuModel: string | null; boardModel: string | null } {
  const first = (key: string) => new RegExp(`^${key}[ \\t]*:[ \\t]*(.+)$`, 'm').exec(text)?.[1]?.trim() ?? null
  const part = first('CPU part')
  const arm = first('CPU implementer') === '0x41' && part ? ARM_PARTS[part.toLowerCase()] : undefined
  return { cpuModel: first('model name') ?? arm ?? null, boardModel: first('Model') }
}
