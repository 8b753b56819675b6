import Link from 'next/link'
import { redirect } from 'next/navigation'
import { currentPerson } from '../web/session.ts'
import { EntryForm } from './entry-form.tsx'
import { EntryPage } from './entry-page.tsx'

const SCREENS = {
  'sign-in': { title: 'Sign in', question: 'No account yet?', href: '/sign-up', link: 'Create one' },
  'sign-up': {
    title: 'Create an account',
    intro: 'It keeps the list of your machines. Your media stays on them.',
    question: 'Already have one?',
    href: '/sign-in',
    link: 'Sign in',
  },
} as const

/** Getting in, the one way or the other; who is in already goes to the machines. */
export async function EntryScreen({ kind }: { kind: keyof typeof SCREENS }) {
  if (await currentPerson()) redirect('/nodes')
  const { question, href, link, ...head } = SCREENS[kind]
  const footer = (
    <>
      {question}{' '}
      <Link href={href} className="text-accent-text underline-offset-4 hover:underline">
        {link}
      </Link>
    </>
  )
  return (
    <EntryPage {...head} footer={footer}>
      <EntryForm kind={kind} />
    </EntryPage>
  )
}
