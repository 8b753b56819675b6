import { Button } from '@thatdam/ui/button'
import { CopyLine } from '@thatdam/ui/copy-button'
import { Ring } from '@thatdam/ui/ring'
import Link from 'next/link'
import { Brand } from '../../components/brand.tsx'
import { runtime } from '../../runtime.ts'
import { currentPerson, visitor } from '../../web/session.ts'

const MACHINES = [
  { id: 'pi5-desktop', name: 'pi5-desktop', leader: true, away: false, detail: 'library, console' },
  { id: 'pi5-server', name: 'pi5-server', leader: false, away: false, detail: 'copies, recordings' },
  { id: 'pizero-cam1', name: 'pizero-cam1', leader: false, away: false, detail: 'camera' },
  { id: 'win11-editor', name: 'win11-editor', leader: false, away: false, detail: 'footage, GPU' },
  { id: 'macbook', name: 'macbook', leader: false, away: true, detail: 'asleep' },
]
const FLOWS = [
  { from: 'pizero-cam1', to: 'pi5-server' },
  { from: 'win11-editor', to: 'pi5-desktop' },
]
const FACTS: readonly [string, string][] = [
  ['Run one command on each', 'A Raspberry Pi, a Windows PC, a MacBook, in any order. They find their places by themselves.'],
  ['See all of it in one place', 'One Explorer over the photos and videos of every machine, one Monitor over every camera.'],
  ['Nothing leaves the house', 'Files are indexed where they lie. With the internet or this site away, everything goes on.'],
]

export default async function FrontPage() {
  const [person, seen] = await Promise.all([currentPerson(), visitor()])
  const [{ origin }] = runtime().baseFor(seen).origins
  return (
    <>
      <header className="mx-auto flex w-full max-w-[1120px] items-center justify-between px-5 py-4">
        <Brand href="/" />
        {person ? (
          <Button asChild>
            <Link href="/nodes">Your machines</Link>
          </Button>
        ) : (
          <Button asChild variant="quiet">
            <Link href="/sign-in">Sign in</Link>
          </Button>
        )}
      </header>
      <main className="mx-auto grid w-full max-w-[1120px] flex-1 content-center items-center gap-x-16 gap-y-10 px-5 pb-12 lg:grid-cols-[1fr_360px]">
        <div className="flex min-w-0 flex-col gap-6">
          <h1 className="max-w-[18ch] text-[clamp(28px,5vw,44px)] leading-[1.1] font-semibold tracking-tight text-balance">
            One library and one wall of cameras, on the machines you own
          </h1>
          <p className="max-w-[56ch] text-lg text-ink-soft">
            ThatDAM turns your computers into one asset manager and camera system. Each does what it is good at; none needs a server room.
          </p>
          <div className="flex max-w-[640px] min-w-0 flex-col gap-2">
            <CopyLine text={`curl -fsSL ${origin}/install.sh | sh`} />
            <p className="text-base text-ink-soft">
              Runs alone at once. With an account, the command carries a token and the machine joins yours.
            </p>
          </div>
          <div className="flex flex-wrap gap-3">
            <Button asChild variant="primary" size="lg">
              <Link href={person ? '/add-machine' : '/sign-up'}>{person ? 'Add a machine' : 'Create an account'}</Link>
            </Button>
          </div>
        </div>
        <Ring nodes={MACHINES} flows={FLOWS} className="mx-auto w-full max-w-[360px]" />
        <dl className="grid gap-x-8 gap-y-5 border-t border-line pt-6 sm:grid-cols-3 lg:col-span-2">
          {FACTS.map(([title, text]) => (
            <div key={title} className="flex flex-col gap-1">
              <dt className="text-lg font-medium">{title}</dt>
              <dd className="text-base text-ink-soft">{text}</dd>
            </div>
          ))}
        </dl>
      </main>
    </>
  )
}
