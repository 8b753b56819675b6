'use client'
import { Banner } from '@thatdam/ui/banner'
import { Button } from '@thatdam/ui/button'
import { Ring } from '@thatdam/ui/ring'
import { Skeleton } from '@thatdam/ui/skeleton'
import { Plus } from 'lucide-react'
import { useLiveState, useNow } from '../state.tsx'
import { AddMachine } from './add-machine.tsx'
import { Machine } from './machine.tsx'
import { MemberList } from './member-list.tsx'
import { ringFlowsOf, ringNodesOf, ringSummary } from './member-view.tsx'
import { Near } from './near.tsx'
import { useNodesAddress } from './use-address.tsx'

/** The machines of the ring: who leads, who is away, what runs where and why; and who waits to be let in. */
export function Nodes() {
  const agent = useLiveState().state?.agent ?? null
  const now = useNow(1_000)
  const address = useNodesAddress()
  const choose = (nodeId: string): void => {
    address.choose(nodeId)
    // On a narrow screen what is told of it lies far below.
    requestAnimationFrame(() => {
      const about = document.querySelector('[data-machine]')
      if (about !== null && about.getBoundingClientRect().top > window.innerHeight / 2) about.scrollIntoView()
    })
  }
  if (agent === null) {
    return (
      <div className="grid gap-4 p-4 md:grid-cols-[320px_1fr]">
        <Skeleton className="aspect-square" />
        <Skeleton className="h-80" />
      </div>
    )
  }
  const selected =
    agent.members.find((member) => member.nodeId === address.nodeId) ?? agent.members.find((member) => member.self) ?? agent.members[0]
  return (
    <div className="relative flex h-full flex-col gap-4 overflow-y-auto p-3 md:p-4">
      <header className="flex flex-wrap items-center gap-x-4 gap-y-2">
        <h1 className="text-xl font-semibold">Nodes</h1>
        <p className="grow text-base text-ink-soft">{ringSummary(agent)}</p>
        <Button variant={agent.ring.waiting.length > 0 ? 'secondary' : 'primary'} onClick={() => address.setAdds(true)}>
          <Plus className="size-4" aria-hidden /> Add a machine
        </Button>
      </header>
      {agent.ring.leader === null && agent.members.length > 1 ? (
        <Banner tone="warning">
          No machine leads at this moment. Recordings go on; edits are kept here and go to the others when one leads again.
        </Banner>
      ) : null}
      <div className="grid items-start gap-6 lg:grid-cols-[minmax(300px,400px)_minmax(0,1fr)]">
        <div className="flex min-w-0 flex-col gap-4">
          <Ring
            className="mx-auto w-full max-w-[400px]"
            nodes={ringNodesOf(agent, now)}
            flows={ringFlowsOf(agent)}
            {...(selected === undefined ? {} : { selectedId: selected.nodeId })}
            onSelect={choose}
          />
          <MemberList agent={agent} now={now} selectedId={selected?.nodeId ?? null} onSelect={choose} />
          <Near agent={agent} now={now} />
        </div>
        {selected === undefined ? null : <Machine key={selected.nodeId} agent={agent} member={selected} now={now} />}
      </div>
      {address.adds ? <AddMachine onClose={() => address.setAdds(false)} /> : null}
    </div>
  )
}
