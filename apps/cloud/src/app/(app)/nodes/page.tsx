import type { Metadata } from 'next'
import { NodeList } from '../../../components/node-list.tsx'
import { runtime } from '../../../runtime.ts'
import { requirePerson, visitor } from '../../../web/session.ts'

export const metadata: Metadata = { title: 'Machines' }

export default async function NodesPage() {
  const [person, { machine }] = await Promise.all([requirePerson(), visitor()])
  return <NodeList first={await runtime().nodes.list(person.organisationId, machine)} />
}
