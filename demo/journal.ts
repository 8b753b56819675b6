import type { ProfileName } from '@thatdam/testkit/profiles/load'
import type { RingHistory, TimelineCut, TimelineEvent, TimelineRole, TimelineSegment } from '@thatdam/ui/ring-timeline-data'

const SPAN_MS = 120_000
const EVENTS_MAX = 500

export interface Moment {
  readonly role: TimelineRole
  readonly term: TimelineSegment['term']
}

/** What the ring did, for its timeline: the last two minutes of each machine, and what happened. */
export class Journal {
  private readonly lanes = new Map<ProfileName, TimelineSegment[]>()
  private events: TimelineEvent[] = []
  private cuts: TimelineCut[] = []

  constructor(names: readonly ProfileName[]) {
    for (const name of names) this.lanes.set(name, [])
  }

  /** How this machine is now. A change of leader is an event. */
  see(name: ProfileName, { role, term }: Moment, nowMs: number): void {
    const lane = this.lanes.get(name) ?? []
    const last = lane.at(-1)
    const isSame = last?.role === role && last.term?.number === term?.number && last.term?.leaderId === term?.leaderId
    if (last !== undefined) lane[lane.length - 1] = { ...last, toMs: nowMs }
    if (isSame) return
    lane.push({ fromMs: nowMs, toMs: nowMs, role, term })
    if (role === 'leader' && (last?.role !== 'leader' || last.term?.number !== term?.number))
      this.tell({
        atMs: nowMs,
        kind: 'lead',
        mark: 'leads',
        text: `${name} leads${term ? ` in term ${term.number}` : ''}.`,
        nodeIds: [name],
      })
  }

  tell(event: TimelineEvent): void {
    this.events = [...this.events, event].slice(-EVENTS_MAX)
  }

  cut(from: readonly string[], to: readonly string[], nowMs: number): void {
    this.heal(nowMs)
    this.cuts.push({ fromMs: nowMs, toMs: Infinity, from, to, bothWays: true })
  }

  heal(nowMs: number): void {
    this.cuts = this.cuts.map((cut) => (cut.toMs === Infinity ? { ...cut, toMs: nowMs } : cut))
  }

  history(title: string, nowMs: number): RingHistory {
    const startMs = Math.max(0, nowMs - SPAN_MS)
    const isShown = ({ toMs }: { toMs: number }) => toMs >= startMs
    this.cuts = this.cuts.filter(isShown)
    const clip = <T extends { fromMs: number; toMs: number }>(span: T): T => ({
      ...span,
      fromMs: Math.max(span.fromMs, startMs),
      toMs: Math.min(span.toMs, nowMs),
    })
    return {
      title,
      startMs,
      endMs: startMs + SPAN_MS,
      nodes: [...this.lanes].map(([name, lane]) => {
        const kept = lane.filter(isShown)
        this.lanes.set(name, kept)
        return { id: name, name, profile: KINDS[name], segments: kept.map(clip) }
      }),
      cuts: this.cuts.map(clip),
      events: this.events.filter((event) => event.atMs >= startMs),
      notes: [],
    }
  }
}

/** In a person's words. */
export const KINDS: Readonly<Record<ProfileName, string>> = {
  'pi5-desktop': 'Raspberry Pi 5 with a desktop',
  'pi5-server': 'Raspberry Pi 5 without a screen',
  'win11-editor': 'Windows workstation',
  'pizero-cam1': 'Pi Zero 2 W with a camera',
  macbook: 'MacBook, sleeps now and then',
}
