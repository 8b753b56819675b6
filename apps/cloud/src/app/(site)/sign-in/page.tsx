import type { Metadata } from 'next'
import Link from 'next/link'
import { redirect } from 'next/navigation'
import { EntryForm } from '../../../components/entry-form.tsx'
import { EntryPage, LINK } from '../../../components/entry-page.tsx'
import { currentPerson } from '../../../web/session.ts'

export const metadata: Metadata = { title: 'Sign in' }

export default async function SignInPage() {
  if (await currentPerson()) redirect('/nodes')
  return (
    <EntryPage
      title="Sign in"
      footer={
        <>
          No account yet?{' '}
          <Link href="/sign-up" className={LINK}>
            Create one
          </Link>
        </>
      }
    >
      <EntryForm kind="sign-in" />
    </EntryPage>
  )
}
