import { RingMark } from '@thatdam/ui/ring'
import { RingTimeline } from '@thatdam/ui/ring-timeline'
import type { RingHistory } from '@thatdam/ui/ring-timeline-data'

/** The whole page of one run: the same on the command line, where it is drawn first, and in the browser, which takes it over. */
export function Page({ history }: { history: RingHistory }) {
  const broken = history.events.filter((event) => event.kind === 'violation').length
  return (
    <main className="mx-auto flex max-w-[1800px] flex-col gap-3 p-3 sm:p-6">
      <header className="flex flex-wrap items-center gap-x-3 gap-y-1">
        <RingMark />
        <h1 className="text-xl font-semibold">{history.title}</h1>
        <p className={broken === 0 ? 'text-ink-soft' : 'font-semibold text-danger-text'}>
          {broken === 0 ? 'Every rule held.' : `${broken} broken ${broken === 1 ? 'rule' : 'rules'}.`}
        </p>
        <p className="text-sm text-ink-faint max-sm:hidden">← → to an event · space plays · Home, End</p>
      </header>
      <RingTimeline history={history} ownsPage />
    </main>
  )
}
