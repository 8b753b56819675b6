import type { Term } from '@thatdam/protocol/plan'
import type { TimelineEvent } from '@thatdam/ui/ring-timeline-data'

/** Details of one kind about one machine are gathered into one entry for this long. */
const GATHER_MS = 500
/** The page lists no more details than this. */
const DETAILS_MAX = 800
const OBSERVERS_NAMED_MAX = 4

interface Entry {
  readonly atMs: number
  /** Who saw or did it, in order; each once. */
  readonly who: Set<string>
  readonly words: (who: string, isOne: boolean) => string
}

/** The small things of a run: many, so they are gathered, and thinned when there are too many. */
export class Details {
  private readonly entries = new Map<string, Entry>()

  saw(atMs: number, observer: string, other: string, isAwake: boolean): void {
    this.add(atMs, `${isAwake ? 'awake' : 'away'} ${other}`, observer, (who, isOne) =>
      isAwake ? `${who} ${isOne ? 'sees' : 'see'} ${other}` : `${who} ${isOne ? 'takes' : 'take'} ${other} for away`,
    )
  }

  refused(atMs: number, nodeId: string, term: Term): void {
    this.add(
      atMs,
      `refused ${term.number} ${term.nodeId}`,
      nodeId,
      (who, isOne) => `${who} ${isOne ? 'refuses' : 'refuse'} an order of term ${term.number} of ${term.nodeId}, which is past`,
    )
  }

  deleted(atMs: number, nodeId: string, blob: string): void {
    this.add(atMs, `deleted ${blob}`, nodeId, (who, isOne) => `${who} ${isOne ? 'deletes its copy' : 'delete their copies'} of ${blob}`)
  }

  /** In order of time, at most DETAILS_MAX: of more, every so-manieth is left out, and `left` counts them. */
  thinned(): { events: TimelineEvent[]; left: number } {
    const all = [...this.entries.values()]
    const kept = all.length <= DETAILS_MAX ? all : all.filter((_, index) => isKept(index, all.length))
    const events = kept.map(({ atMs, who, words }): TimelineEvent => {
      const names = [...who]
      const shown =
        names.length > OBSERVERS_NAMED_MAX + 1
          ? `${names.slice(0, OBSERVERS_NAMED_MAX).join(', ')} and ${names.length - OBSERVERS_NAMED_MAX} more`
          : names.join(', ')
      return { atMs, kind: 'detail', mark: '', text: words(shown, names.length === 1), nodeIds: names }
    })
    return { events, left: all.length - kept.length }
  }

  private add(atMs: number, key: string, who: string, words: Entry['words']): void {
    const slice = `${Math.floor(atMs / GATHER_MS)} ${key}`
    const entry = this.entries.get(slice)
    if (entry === undefined) this.entries.set(slice, { atMs, who: new Set([who]), words })
    else entry.who.add(who)
  }
}

const isKept = (index: number, count: number): boolean =>
  Math.floor(((index + 1) * DETAILS_MAX) / count) > Math.floor((index * DETAILS_MAX) / count)
