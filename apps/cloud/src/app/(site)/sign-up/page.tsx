import type { Metadata } from 'next'
import { EntryScreen } from '../../../components/entry-screen.tsx'

export const metadata: Metadata = { title: 'Create an account' }

export default function SignUpPage() {
  return <EntryScreen kind="sign-up" />
}
