'use client'
import { Banner } from '@thatdam/ui/banner'
import { Button } from '@thatdam/ui/button'
import { Skeleton } from '@thatdam/ui/skeleton'
import { ThemeChoice } from '@thatdam/ui/theme-choice'
import type { ReactNode } from 'react'
import { useNavigation } from '../navigation.tsx'
import { useLiveState } from '../state.tsx'
import { CloudState } from './cloud-state.tsx'
import { Folders } from './folders.tsx'
import { MachineForm } from './machine-form.tsx'
import { PasswordForm } from './password-form.tsx'
import { RecoveryKey } from './recovery-key.tsx'
import { RingWishes } from './ring-wishes.tsx'

export function Settings() {
  const agent = useLiveState().state?.agent ?? null
  const { signOut } = useNavigation()
  return (
    <div className="h-full overflow-y-auto">
      <div className="mx-auto flex max-w-3xl flex-col px-4 pt-3 pb-16 md:pt-4">
        <h1 className="pb-2 text-xl font-semibold">Settings</h1>
        {agent === null ? (
          <div className="flex flex-col gap-4">
            <Skeleton className="h-40" />
            <Skeleton className="h-40" />
          </div>
        ) : (
          <>
            <Section
              title="Folders"
              text="What is in these folders of this machine is in the library. Files are read where they are, never moved or changed."
            >
              {agent.settingsProblems.map((problem) => (
                <Banner key={problem} tone="warning">
                  {problem}
                </Banner>
              ))}
              <Folders
                machine={{
                  nodeId: agent.node.nodeId,
                  name: agent.settings.name,
                  self: true,
                  awake: true,
                  paths: agent.settings.indexPaths,
                  index: agent.index,
                }}
              />
            </Section>
            <Section title="This machine" text="How it is called in the ring.">
              <MachineForm nodeId={agent.node.nodeId} settings={agent.settings} />
            </Section>
            <Section
              title="Owner’s password"
              text={
                agent.owner.passwordSet
                  ? 'Who knows it can open this console from any machine in the network.'
                  : 'Without one, the console opens on this machine only. With one, on every machine in the network.'
              }
            >
              <PasswordForm agent={agent} />
              {agent.owner.passwordSet ? (
                <Button className="mt-6" onClick={signOut}>
                  Sign out on this device
                </Button>
              ) : null}
            </Section>
            <Section title="Ring" text="Wishes for all machines together. Left alone, the ring decides.">
              <RingWishes agent={agent} />
            </Section>
            <Section
              title="Recovery key"
              text="A key on paper that outranks every machine. With it you put out a stolen machine, or take the ring back when all that may let machines in are gone."
            >
              <RecoveryKey made={agent.ring.recoveryKeyMade} ringName={agent.settings.name} />
            </Section>
            <Section title="Look" text="Dark is made for judging pictures.">
              <ThemeChoice />
            </Section>
            <Section
              title="Cloud"
              text="Accounts and settings from elsewhere. Media never goes through it, and everything here works without."
            >
              <CloudState agent={agent} />
            </Section>
          </>
        )}
      </div>
    </div>
  )
}

function Section({ title, text, children }: { title: string; text: string; children: ReactNode }) {
  return (
    <section className="grid gap-4 border-t border-line py-6 md:grid-cols-[220px_1fr] md:gap-8">
      <div className="flex flex-col gap-1">
        <h2 className="text-lg font-semibold">{title}</h2>
        <p className="text-base text-ink-soft">{text}</p>
      </div>
      <div className="min-w-0">{children}</div>
    </section>
  )
}
