import type { Metadata } from 'next'
import { NodeList } from '../../../components/node-list.tsx'
import { runtime } from '../../../runtime.ts'
import { requirePerson, visitor } from '../../../web/session.ts'

export const metadata: Metadata = { title: 'Machines' }

export default async function NodesPage() {
  const [person, { machine }] = await Promise.all([requirePerson(), visitor()])
  const { nodes, rings } = runtime()
  const [list, ring] = await Promise.all([nodes.list(person.organisationId, machine), rings.view(person.organisationId)])
  return <NodeList first={{ nodes: list, ring }} />
}
