/** /proc/device-tree/model: a C string, ended by NUL, no line end. */
export function parseDeviceTreeModel(text: string): string | null {
  return text.replace(/\0.*$/s, '').trim() || null
}
