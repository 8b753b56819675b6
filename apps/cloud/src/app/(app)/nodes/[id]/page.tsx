import type { Metadata } from 'next'
import { notFound } from 'next/navigation'
import * as z from 'zod'
import { NodePage } from '../../../../components/node-page.tsx'
import { runtime } from '../../../../runtime.ts'
import { requirePerson, visitor } from '../../../../web/session.ts'

export const metadata: Metadata = { title: 'Machine' }

export default async function Page({ params }: { params: Promise<{ id: string }> }) {
  const [person, { machine }, { id }] = await Promise.all([requirePerson(), visitor(), params])
  const node = z.uuid().safeParse(id).success ? await runtime().nodes.get(person.organisationId, id, machine) : null
  if (node === null) notFound()
  return <NodePage first={node} />
}
