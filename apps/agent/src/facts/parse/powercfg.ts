/**
 * `powercfg /query SCHEME_CURRENT SUB_SLEEP STANDBYIDLE`: seconds until sleep on the cable, 0 for never, null when it does not say.
 * The words are in the system's language; the last two hexadecimal numbers are the current values on the cable and on battery.
 */
export function parseStandbySeconds(text: string): number | null {
  const values = text.match(/0x[0-9a-fA-F]{8}\b/g) ?? []
  const onCable = values.at(-2)
  return onCable ? Number.parseInt(onCable, 16) : null
}
