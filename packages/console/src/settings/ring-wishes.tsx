'use client'
import { useMutation } from '@tanstack/react-query'
import { Field } from '@thatdam/ui/field'
import { Select } from '@thatdam/ui/select'
import { useTRPC, type AgentState } from '../client.tsx'
import { useShowError } from '../query.tsx'

const BY_ITSELF = 'by-itself'
const THIS_ONE = 'this-one'
const COPIES_MAX = 8

/** Who shall lead, in how many places everything shall lie, and which of two rings goes on. */
export function RingWishes({ agent }: { agent: AgentState }) {
  const trpc = useTRPC()
  const showError = useShowError()
  const { mutate, isPending } = useMutation(trpc.ring.setPolicy.mutationOptions({ onError: showError }))
  const { node } = agent
  const { policy, leader } = agent.ring
  const leaders = agent.members.map(({ nodeId, name }) => ({ value: nodeId, label: name }))
  const gone = policy.pinnedLeader !== null && !leaders.some(({ value }) => value === policy.pinnedLeader)
  const most = Math.min(COPIES_MAX, Math.max(2, agent.members.length, policy.replicas ?? 0))
  return (
    <div className="grid items-end gap-4 sm:grid-cols-2">
      <Field label="Leader" hint={leader === null ? 'Nobody leads at this moment.' : `${leader.name} leads now.`}>
        <Select
          value={policy.pinnedLeader ?? BY_ITSELF}
          disabled={isPending}
          onValueChange={(value) => mutate({ pinnedLeader: value === BY_ITSELF ? null : value })}
          options={[
            { value: BY_ITSELF, label: 'The ring decides' },
            ...leaders,
            ...(gone ? [{ value: policy.pinnedLeader ?? '', label: `${policy.pinnedLeader} (not in the ring)` }] : []),
          ]}
        />
      </Field>
      <Field label="Copies of recordings and uploads" hint="Each on another machine; the ring keeps 2 where it can.">
        <Select
          value={policy.replicas === null ? BY_ITSELF : String(policy.replicas)}
          disabled={isPending}
          onValueChange={(value) => mutate({ replicas: value === BY_ITSELF ? null : Number(value) })}
          options={[
            { value: BY_ITSELF, label: 'The ring decides' },
            ...Array.from({ length: most }, (_, index) => ({ value: String(index + 1), label: String(index + 1) })),
          ]}
        />
      </Field>
      <div className="sm:col-span-2">
        <Field
          label="When another ring of yours is near"
          hint="The two become one, with all that is in both. A ring that the cloud knows goes on before any other."
        >
          <Select
            value={policy.goesOn === node.clusterId ? THIS_ONE : BY_ITSELF}
            disabled={isPending}
            onValueChange={(value) => mutate({ goesOn: value === THIS_ONE ? node.clusterId : null })}
            options={[
              { value: BY_ITSELF, label: 'The rings decide' },
              { value: THIS_ONE, label: 'This ring goes on' },
            ]}
          />
        </Field>
      </div>
    </div>
  )
}
