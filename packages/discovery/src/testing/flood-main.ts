import { generateKey } from '@thatdam/control/keys'
import { DISCOVERY_METHODS } from '@thatdam/protocol/discovery'
import { createSocket } from 'node:dgram'
import { seededRandom } from '@thatdam/testkit/hosts/random'
import makeMdns from 'multicast-dns'
import { type DatagramKind, encodeDatagram } from '../datagram.ts'
import { parseAnnouncement } from '../announcement.ts'
import { nodeAnswers } from '../mdns/records.ts'
import { announcementOf } from './loopback.ts'

/*
 * A rogue peer: `node flood-main.ts <own address> <target> <seed> <count>`. Sends `count` datagrams of each kind as fast as it can: random
 * bytes, broken and cut announcements, fake nodes with good signatures, by UDP and by mDNS. Prints `done`.
 */

const [own = '', target = '', seed = '1', count = '1000'] = process.argv.slice(2)
const random = seededRandom(Number(seed))
const below = (limit: number) => Math.floor(random() * limit)
const socket = createSocket('udp4')
const send = (bytes: Uint8Array, port: number) =>
  new Promise<void>((resolve) => socket.send(bytes, port, port === 5353 ? '224.0.0.251' : target, () => resolve()))
const noise = () => Buffer.from(Array.from({ length: below(1_400) }, () => below(256)))
const kinds: readonly DatagramKind[] = ['probe', 'announcement', 'sync', 'relayed', 'goodbye']

await new Promise<void>((resolve) => socket.bind(0, own, resolve))
socket.setMulticastInterface(own)
const mdns = makeMdns({ interface: own, bind: '0.0.0.0' })
await new Promise<void>((resolve) => mdns.on('ready', resolve))
for (let index = 0; index < Number(count); index += 1) {
  const announcement = announcementOf(`fake-${index}`, { count: index }, generateKey())
  const good = encodeDatagram({
    kind: kinds[below(5)] ?? 'probe',
    via: DISCOVERY_METHODS[below(6)] ?? 'udp',
    ageMs: below(50_000),
    cookie: new Uint8Array(8),
    announcement,
  })
  const broken = Buffer.from(good)
  for (let bits = 0; bits <= below(6); bits += 1) broken[below(broken.length)] = below(256)
  const body = parseAnnouncement(announcement)?.body
  await Promise.all([
    send(noise(), 7700),
    send(good, 7700),
    send(broken, 7700),
    send(good.subarray(0, below(good.length)), 7700),
    send(noise(), 5353),
    body && index % 10 === 0
      ? new Promise<void>((resolve) =>
          mdns.respond(
            nodeAnswers({ service: '_thatdam._tcp', bytes: announcement, body, leads: false, address: own, ttlSeconds: 45 }),
            () => resolve(),
          ),
        )
      : undefined,
  ])
}
process.stdout.write('done\n')
process.exit()
