'use client'
import { Badge } from '@thatdam/ui/badge'
import type { AgentState } from '../client.tsx'
import { age } from '../format.tsx'
import { useNow } from '../state.tsx'

export function CloudState({ agent }: { agent: AgentState }) {
  const now = useNow(1_000)
  const { url, state, lastContactMs, reason } = agent.cloud
  const contact = lastContactMs === null ? '' : `Last heard from ${age(lastContactMs, now)}.`
  const words: Record<typeof state, string> = {
    none: 'This machine is not registered with a cloud. It works without.',
    connecting: 'Connecting.',
    connected: 'Connected.',
    away: 'Away. Everything on this machine goes on; settings made in the cloud arrive when it is back.',
    refused: 'The cloud does not take this machine any more.',
  }
  return (
    <div className="flex flex-col gap-1.5 text-lg">
      <div className="flex flex-wrap items-center gap-2">
        {url === null ? null : <span className="font-mono text-base [overflow-wrap:anywhere]">{url}</span>}
        {state === 'connected' ? (
          <Badge tone="healthy">Connected</Badge>
        ) : state === 'refused' ? (
          <Badge tone="danger">{url === null ? 'Damaged' : 'Refused'}</Badge>
        ) : null}
      </div>
      <p className="text-ink-soft">
        {state === 'connected' || (url === null && reason !== '') ? '' : `${words[state]} `}
        {reason === '' ? '' : `${reason} `}
        {contact}
      </p>
    </div>
  )
}
