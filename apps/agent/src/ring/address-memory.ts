import * as z from 'zod/mini'
import type { AddressMemory } from '@thatdam/discovery/static/method'
import { ANNOUNCEMENT_BYTES_MAX } from '@thatdam/protocol/discovery'
import { readJson, writeFileDurable } from '@thatdam/store/durable'

const File = z.object({
  version: z.literal(1),
  announcements: z.array(z.string().check(z.maxLength(ANNOUNCEMENT_BYTES_MAX))).check(z.maxLength(16)),
})

/** `neighbours.json`: who was near before the restart, as they said it themselves. It may be lost without harm. */
export function addressMemory(path: string): AddressMemory {
  return {
    load: async () => (await readJson(path, File))?.announcements ?? [],
    save: (announcements) => writeFileDurable(path, `${JSON.stringify({ version: 1, announcements })}\n`),
  }
}
