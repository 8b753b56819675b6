import type { Metadata } from 'next'
import { ActivityList } from '../../../components/activity-list.tsx'
import { AUDIT_KEPT_DAYS } from '../../../domain/audit.ts'
import { runtime } from '../../../runtime.ts'
import { requirePerson } from '../../../web/session.ts'

export const metadata: Metadata = { title: 'Activity' }

export default async function ActivityPage() {
  const { organisationId, organisationName } = await requirePerson()
  return (
    <div className="flex flex-col gap-6">
      <div className="flex flex-col gap-1">
        <h1 className="text-2xl font-semibold">Activity</h1>
        <p className="text-lg text-ink-soft [overflow-wrap:anywhere]">
          Who did what in {organisationName}. Kept for {AUDIT_KEPT_DAYS} days.
        </p>
      </div>
      <ActivityList first={await runtime().activity.page(organisationId, null)} />
    </div>
  )
}
