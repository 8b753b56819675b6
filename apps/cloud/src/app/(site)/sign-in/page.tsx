import type { Metadata } from 'next'
import { EntryScreen } from '../../../components/entry-screen.tsx'

export const metadata: Metadata = { title: 'Sign in' }

export default function SignInPage() {
  return <EntryScreen kind="sign-in" />
}
