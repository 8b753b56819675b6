const two = (value: number): string => String(value).padStart(2, '0')

/** "Front door 2026-11-21 02.03" in this machine's local time: sorts by name, and is a file name everywhere. */
export function captureTitle(cameraName: string, atMs: number): string {
  const at = new Date(atMs)
  const day = `${at.getFullYear()}-${two(at.getMonth() + 1)}-${two(at.getDate())}`
  return `${cameraName.trim() || 'Camera'} ${day} ${two(at.getHours())}.${two(at.getMinutes())}`.slice(0, 1024)
}
