import type { Metadata } from 'next'
import Link from 'next/link'
import { redirect } from 'next/navigation'
import { EntryForm } from '../../../components/entry-form.tsx'
import { EntryPage, LINK } from '../../../components/entry-page.tsx'
import { currentPerson } from '../../../web/session.ts'

export const metadata: Metadata = { title: 'Create an account' }

export default async function SignUpPage() {
  if (await currentPerson()) redirect('/nodes')
  return (
    <EntryPage
      title="Create an account"
      intro="It keeps the list of your machines. Your media stays on them."
      footer={
        <>
          Already have one?{' '}
          <Link href="/sign-in" className={LINK}>
            Sign in
          </Link>
        </>
      }
    >
      <EntryForm kind="sign-up" />
    </EntryPage>
  )
}
