import { readdir } from 'node:fs/promises'
import { homeOf } from '@thatdam/control/ring-meet'
import { RosterKeeper } from '@thatdam/control/roster-keeper'
import type { Roster } from '@thatdam/control/roster'
import { ThatdamError } from '@thatdam/protocol/errors'
import { type FormerRing, FORMERS_MAX } from '@thatdam/protocol/ring-meet'
import type { Log } from '../log.ts'
import { writeRecords } from '../ring/roster-store.ts'
import type { StatePaths } from '../state/paths.ts'
import { readRing } from '../state/ring.ts'

const FILE = /^roster-[0-9a-f]{16}\.jsonl$/

export interface FormersPorts {
  readonly paths: Pick<StatePaths, 'stateDir' | 'oldRoster'>
  readonly log: Log
  /** A ring came to be known as a former one, or more of one did: what its machines wrote may count differently now. */
  readonly changed: () => void
}

/**
 * The rosters of rings that this machine was in, and of those that have gone over to its ring: who signed their ops, and where their machines
 * belong. One file each; nothing that one says is forgotten again.
 */
export class Formers {
  private readonly ports: FormersPorts
  private readonly keepers = new Map<string, RosterKeeper>()
  private last: Promise<void> = Promise.resolve()
  private changes = 0

  private constructor(ports: FormersPorts) {
    this.ports = ports
  }

  /** A damaged file is passed over, and said. */
  static async open(ports: FormersPorts): Promise<Formers> {
    const formers = new Formers(ports)
    const { stateDir, oldRoster } = ports.paths
    for (const name of (await readdir(stateDir)).filter((one) => FILE.test(one)).toSorted()) {
      try {
        const ring = await readRing(`${stateDir}/${name}`)
        if (ring !== null && oldRoster(ring.fingerprint).endsWith(name)) {
          formers.keepers.set(ring.fingerprint, formers.keeperOf(ring.fingerprint, [ring.genesis, ...ring.later]))
        }
      } catch (error) {
        ports.log.warn(`${name}, the roster of a ring that this machine knew, cannot be read. It is left as it is.`, error)
      }
    }
    return formers
  }

  /**
   * On disk when it resolves; what was known of it before stays.
   * @throws ThatdamError CONFLICT when more have gone over than are kept; RangeError when the records do not begin that ring.
   */
  keep(former: FormerRing): Promise<void> {
    const kept = this.last.then(() => this.keepNow(former))
    this.last = kept.catch(() => {})
    return kept
  }

  /** Grows with each change. */
  get version(): number {
    return this.changes
  }

  of(fingerprint: string): { readonly records: FormerRing['records']; readonly roster: Roster; readonly digest: string } | null {
    const keeper = this.keepers.get(fingerprint)
    return keeper === undefined ? null : { records: [...keeper.records], roster: keeper.roster, digest: keeper.digest }
  }

  /** Where a former ring has gone over to. */
  forwardOf(fingerprint: string): string | null {
    return this.keepers.get(fingerprint)?.roster.forward?.fingerprint ?? null
  }

  /** Those whose machines belong to this ring now, directly or by way of others. */
  goneOverTo(home: string): { readonly fingerprint: string; readonly roster: Roster; readonly digest: string }[] {
    // Of rings that point at each other in a circle the one that goes on says so too.
    const forwardOf = (at: string): string | null => (at === home ? null : this.forwardOf(at))
    return [...this.keepers.values()]
      .filter(({ fingerprint }) => fingerprint !== home && homeOf(fingerprint, forwardOf) === home)
      .map(({ fingerprint, roster, digest }) => ({ fingerprint, roster, digest }))
  }

  private async keepNow({ fingerprint, records }: FormerRing): Promise<void> {
    const known = this.keepers.get(fingerprint)
    if (known === undefined) {
      const keeper = this.keeperOf(fingerprint, records)
      const gone = [...this.keepers.values()].filter(({ roster }) => roster.forward !== null)
      if (keeper.roster.forward !== null && gone.length >= FORMERS_MAX) {
        throw new ThatdamError(
          'CONFLICT',
          `This machine knows ${FORMERS_MAX} rings that have gone over to others, and has room for no more.`,
        )
      }
      await writeRecords(this.ports.paths.oldRoster(fingerprint), keeper.records)
      this.keepers.set(fingerprint, keeper)
      this.tell()
      return
    }
    const { added } = await known.add(records)
    if (added.length > 0) this.tell()
  }

  private tell(): void {
    this.changes += 1
    this.ports.changed()
  }

  private keeperOf(fingerprint: string, records: FormerRing['records']): RosterKeeper {
    const path = this.ports.paths.oldRoster(fingerprint)
    return new RosterKeeper({ fingerprint, records, save: (all) => writeRecords(path, all) })
  }
}
