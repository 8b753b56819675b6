import type { Metadata } from 'next'
import { redirect } from 'next/navigation'
import { EntryPage } from '../../../components/entry-page.tsx'
import { PasswordForm } from '../../../components/entry-form.tsx'
import { currentPerson } from '../../../web/session.ts'

export const metadata: Metadata = { title: 'Choose a password' }

export default async function FirstPasswordPage() {
  const person = await currentPerson()
  if (person === null) redirect('/sign-in')
  if (!person.mustChangePassword) redirect('/nodes')
  return (
    <EntryPage title="Choose your password" intro="The one you signed in with was made for this once.">
      <PasswordForm email={person.email} first />
    </EntryPage>
  )
}
