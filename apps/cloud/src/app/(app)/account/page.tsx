import { Banner } from '@thatdam/ui/banner'
import { ThemeChoice } from '@thatdam/ui/theme-choice'
import type { Metadata } from 'next'
import { PasswordForm } from '../../../components/entry-form.tsx'
import { SignOutEverywhereButton } from '../../../components/sign-out.tsx'
import { requirePerson } from '../../../web/session.ts'

export const metadata: Metadata = { title: 'Account' }

export default async function AccountPage({ searchParams }: { searchParams: Promise<Record<string, string | string[] | undefined>> }) {
  const [person, { changed }] = await Promise.all([requirePerson(), searchParams])
  return (
    <div className="flex max-w-[480px] flex-col gap-10">
      <div className="flex flex-col gap-1">
        <h1 className="text-2xl font-semibold">Account</h1>
        <p className="text-lg text-ink-soft [overflow-wrap:anywhere]">
          {person.email}, {person.role} of {person.organisationName}
        </p>
      </div>
      {changed === undefined ? null : <Banner>The password is changed. Every other sign-in of this account has ended.</Banner>}
      <section className="flex flex-col gap-4">
        <h2 className="text-xl font-semibold">Password</h2>
        <PasswordForm email={person.email} first={false} />
      </section>
      <section className="flex flex-col gap-3">
        <h2 className="text-xl font-semibold">Look</h2>
        <p className="text-lg text-ink-soft">Kept in this browser, for this site.</p>
        <ThemeChoice />
      </section>
      <section className="flex flex-col gap-3">
        <h2 className="text-xl font-semibold">Sign-ins</h2>
        <p className="text-lg text-ink-soft">
          Lost a laptop or used someone else’s? This ends every sign-in of this account at once, here too.
        </p>
        <div>
          <SignOutEverywhereButton />
        </div>
      </section>
    </div>
  )
}
