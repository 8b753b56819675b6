import { type Packet, type Passage, portIn } from './passage.ts'

/** `firewall-cmd --zone=… --list-all`. */
export function parseFirewalldZone(text: string, packet: Packet): Passage {
  const field = (name: string) => new RegExp(`^\\s*${name}:[ \\t]*(.*)$`, 'm').exec(text)?.[1]?.trim() ?? ''
  if (field('target') === 'ACCEPT') return 'open'
  const isOpen = field('ports')
    .split(/\s+/)
    .some((entry) => {
      const [list = '', protocol] = entry.split('/')
      return protocol === packet.protocol && portIn(list, packet.port)
    })
  if (isOpen) return 'open'
  return /^\s*rich rules:\s*\n?\s*rule /m.test(text) ? 'unknown' : 'closed'
}

/** `firewall-cmd --get-zone-of-interface=eth0`: `no zone` means the default one. */
export function parseFirewalldZoneName(text: string): string | null {
  const name = text.trim()
  return /^[\w-]{1,64}$/.test(name) ? name : null
}
