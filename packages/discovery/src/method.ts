import type { AnnouncementBody, DiscoveryMethodName } from '@thatdam/protocol/discovery'
import type { Caller } from './caller.ts'
import type { NetworkWatch } from './interfaces.ts'

/*
 * The shape that every method has. `<name>/method.ts` exports `create(options): DiscoveryMethod`; a new one is made by copying the
 * smallest (cloud/). A method only carries bytes: intake.ts judges them.
 */

/** Announcement bytes that came in, unjudged. */
export interface Found {
  readonly method: DiscoveryMethodName
  /** UTF-8 of a signed announcement; whatever the sender liked until verified. */
  readonly bytes: Uint8Array
  /** Who handed it to us; null when it did not come from an address (disk, rendezvous). Rates are limited by it. */
  readonly source: string | null
  /** Our interface that heard it; null when it was routed or is unknown. */
  readonly interfaceName: string | null
  /** How long ago somebody last heard the announced node itself, in milliseconds; 0: this came from the node itself just now. */
  readonly ageMs: number
  /** Told by another node, so that `source` is not an address of the announced one. */
  readonly relayed: boolean
  /** The node says that it goes. */
  readonly goodbye: boolean
}

export interface DiscoveryMethod {
  readonly name: DiscoveryMethodName
  /** Opens what it needs and begins. @throws ThatdamError with a sentence when it cannot work here; the others go on and it is tried again. */
  start(): Promise<void>
  /** Says good-bye where the method can, and leaves nothing open. Harmless when it is not running. */
  stop(): Promise<void>
  /** What to say from now on; called before `start` and after each change. Bytes are at most ANNOUNCEMENT_BYTES_MAX. */
  announce(said: Said): void
  /** @returns how to stop listening. */
  onFound(listener: (found: Found) => void): () => void
}

/** What this node says now. */
export interface Said {
  readonly bytes: Uint8Array
  readonly body: AnnouncementBody
  /** It leads the ring, so the ring's host name is its to answer. */
  readonly leads: boolean
}

/** An address of somebody that discovery already knows. */
export interface KnownPeer {
  readonly publicKey: string
  readonly bytes: Uint8Array
  readonly addresses: readonly { readonly address: string; readonly port: number }[]
  /** Milliseconds since anybody heard it. */
  readonly ageMs: number
  /** It was heard by one of the multicast methods within the last life of an announcement, so nobody needs to ask it. */
  readonly heardByMulticast: boolean
  /** It was heard from itself, not from somebody who told of it. */
  readonly heardDirectly: boolean
}

export interface News {
  readonly peer: KnownPeer
  readonly method: DiscoveryMethodName
}

/** What all methods share. */
export interface MethodContext {
  readonly caller: Caller
  readonly network: NetworkWatch
  /** Life of an announcement. */
  readonly ttlMs: number
  /** Freshest first, at most 64. */
  readonly known: () => readonly KnownPeer[]
  /** Somebody new, or a known one who says something new; already verified. @returns how to stop listening. */
  readonly onNews: (listener: (news: News) => void) => () => void
  readonly log: (message: string) => void
}

/** Listeners of one method. */
export class FoundListeners {
  private readonly listeners = new Set<(found: Found) => void>()
  readonly add = (listener: (found: Found) => void): (() => void) => {
    this.listeners.add(listener)
    return () => void this.listeners.delete(listener)
  }
  tell(found: Found): void {
    for (const listener of this.listeners) listener(found)
  }
}
