import type { ClusterFile, Health } from '@thatdam/protocol/cluster'
import { seededRandom } from '@thatdam/testkit/hosts/random'
import { loadProfile, type ProfileName } from '@thatdam/testkit/profiles/load'
import type { RingMachine } from '@thatdam/testkit/ring/machine'
import { TestRing, type RingOptions } from '@thatdam/testkit/ring/ring'
import { settledOf } from '@thatdam/testkit/ring/settled'
import type { TimelineRole } from '@thatdam/ui/ring-timeline-data'
import { Forward } from './forward.ts'
import { Journal, KINDS, type Moment } from './journal.ts'
import type { ActRequest, LiveMachine, LiveRing } from './live.ts'

const LOOK_MS = 400
const BETWEEN_STARTS_MS_MAX = 2_000

export interface StageOptions extends Omit<RingOptions, 'profiles'> {
  readonly title: string
  readonly profiles: readonly ProfileName[]
  readonly order: 'given' | 'random'
  readonly seed: number
}

interface Said {
  readonly cluster: ClusterFile | null
  readonly health: Health | null
}

/** A ring to play with: its machines, what they say of each other, and what a person can do to them. */
export class Stage {
  private readonly ring: TestRing
  private readonly options: StageOptions
  private readonly journal: Journal
  private readonly doors: ReadonlyMap<string, Forward>
  private readonly leaderDoor: Forward
  private readonly startedAtMs = performance.now()
  private said = new Map<string, Said>()
  private readonly unplugged = new Set<string>()
  private sides = new Map<string, number>()
  private looking: NodeJS.Timeout | null = null
  private isDown = false

  static async up(options: StageOptions, leaderPort: number): Promise<Stage> {
    const ring = await TestRing.up(options)
    try {
      const doors = await Promise.all(
        ring.machines.map(async (machine) => [machine.name, await Forward.open(() => machine.doorFile)] as const),
      )
      let stage: Stage | null = null
      const leaderDoor = await Forward.open(() => stage?.leader()?.doorFile ?? null, leaderPort)
      stage = new Stage(ring, options, { doors: new Map(doors), leaderDoor })
      return stage
    } catch (error) {
      await ring.down()
      throw error
    }
  }

  private constructor(
    ring: TestRing,
    options: StageOptions,
    { doors, leaderDoor }: { doors: ReadonlyMap<string, Forward>; leaderDoor: Forward },
  ) {
    this.ring = ring
    this.options = options
    this.doors = doors
    this.leaderDoor = leaderDoor
    this.journal = new Journal(options.profiles)
    void this.look()
  }

  get names(): readonly string[] {
    return this.options.profiles
  }

  get notice(): string {
    return this.ring.hosts.notice
  }

  get leaderUrl(): string {
    return this.leaderDoor.url
  }

  /** One after the other, in the order asked for, as people switch machines on. */
  async startAll(say: (text: string) => void): Promise<void> {
    const random = seededRandom(this.options.seed)
    const machines = this.options.order === 'random' ? shuffled(this.ring.machines, random) : this.ring.machines
    for (const machine of machines) {
      if (this.isDown) return
      say(`${machine.name} is switched on`)
      this.tell('fault', 'starts', `${machine.name} is switched on.`, [machine.name])
      machine.start()
      await new Promise((resolve) => setTimeout(resolve, random() * BETWEEN_STARTS_MS_MAX))
    }
  }

  /** Waits until a leader's console answers; false when the stage was taken down meanwhile. */
  async consoleAnswers(): Promise<boolean> {
    while (!this.isDown) {
      const leader = this.leader()
      const answer = leader ? await leader.ask({ at: 'gateway', method: 'GET', path: '/', timeoutMs: 5_000 }).catch(() => null) : null
      if (answer?.status === 200 && (this.options.console !== 'real' || answer.text.includes('/_next/'))) return true
      await new Promise((resolve) => setTimeout(resolve, LOOK_MS))
    }
    return false
  }

  live(): LiveRing {
    const nowMs = this.nowMs()
    return {
      title: this.options.title,
      notice: this.notice,
      hasCables: this.ring.hosts.mode === 'namespaces',
      nowMs,
      machines: this.ring.machines.map((machine) => this.describe(machine)),
      state: this.state(),
      leaderConsoleUrl: this.leaderUrl,
      history: this.journal.history(this.options.title, nowMs),
    }
  }

  /** @throws Error in one sentence when it cannot be done now. */
  async act({ act, machines: names }: ActRequest): Promise<void> {
    const machines = names.map((name) => this.ring.machine(name))
    if (act === 'cut') await this.cut(machines)
    else if (act === 'heal') await this.heal()
    else for (const machine of machines) await this.actOn(machine, act)
    await this.lookOnce()
  }

  async down(): Promise<void> {
    this.isDown = true
    if (this.looking) clearTimeout(this.looking)
    await Promise.all([...this.doors.values(), this.leaderDoor].map((door) => door.close()))
    await this.ring.down()
  }

  private async actOn(machine: RingMachine, act: Exclude<ActRequest['act'], 'cut' | 'heal'>): Promise<void> {
    const { name } = machine
    switch (act) {
      case 'start':
        machine.start()
        return this.tell('fault', 'starts', `${name} is switched on.`, [name])
      case 'power-cut':
        await machine.powerCut()
        return this.tell('fault', 'power cut', `${name} loses power.`, [name])
      case 'shut-down':
        await machine.shutDown()
        return this.tell('fault', 'off', `${name} is shut down.`, [name])
      case 'pause':
        await machine.pause()
        return this.tell('fault', 'paused', `${name} stands still.`, [name])
      case 'resume':
        await machine.resume()
        return this.tell('fault', 'goes on', `${name} goes on.`, [name])
      case 'unplug':
        await this.ring.linkDown(machine)
        this.unplugged.add(name)
        return this.tell('network', 'unplugged', `The cable of ${name} is pulled.`, [name])
      case 'plug':
        await this.ring.linkUp(machine)
        this.unplugged.delete(name)
        return this.tell('network', 'plugged', `${name} is plugged in.`, [name])
    }
  }

  private async cut(side: readonly RingMachine[]): Promise<void> {
    const others = this.ring.machines.filter((machine) => !side.includes(machine))
    if (side.length === 0 || others.length === 0) throw new Error('A cut has machines on both sides.')
    await this.ring.cut([side, others])
    this.sides = new Map([...side.map((machine) => [machine.name, 1] as const), ...others.map((machine) => [machine.name, 2] as const)])
    const [from, to] = [side.map((machine) => machine.name), others.map((machine) => machine.name)]
    this.journal.cut(from, to, this.nowMs())
    this.tell('network', 'cut', `The network is cut: ${from.join(', ')} from ${to.join(', ')}.`, [...from, ...to])
  }

  private async heal(): Promise<void> {
    await this.ring.heal()
    this.sides = new Map()
    this.journal.heal(this.nowMs())
    this.tell('network', 'healed', 'The network is whole again.', this.names)
  }

  private describe(machine: RingMachine): LiveMachine {
    const { name } = machine
    const { cluster = null, health = null } = this.said.get(name) ?? {}
    return {
      name,
      kind: KINDS[machine.name],
      power: machine.power,
      isPlugged: !this.unplugged.has(name),
      side: this.sides.get(name) ?? 0,
      says:
        cluster === null
          ? null
          : {
              role: cluster.role,
              ring: cluster.cluster_id ?? '',
              term: cluster.term,
              awake: cluster.members.filter((member) => member.alive).map((member) => member.node_id),
              health: health?.status ?? 'starting',
              failed: health?.failed.map(({ service, reason }) => `${service}: ${reason}`) ?? [],
            },
      consoleUrl: this.doors.get(name)?.url ?? '',
    }
  }

  private state(): LiveRing['state'] {
    const on = this.ring.running
    const views = new Map(on.map((machine) => [machine.name, this.said.get(machine.name)?.cluster ?? null] as const))
    const found = settledOf(
      views,
      on.some(({ name }) => loadProfile(name).powerClass !== 'zero'),
    )
    if (typeof found === 'string') return { isSettled: false, sentence: `Not settled: ${found}.` }
    return { isSettled: true, sentence: `One ring at rest${found.leader === null ? '' : `, led by ${found.leader}`}.` }
  }

  /** The one of the highest term among those who say that they lead. */
  private leader(): RingMachine | null {
    const leading = this.ring.machines.filter(
      (machine) => machine.power === 'on' && this.said.get(machine.name)?.cluster?.role === 'leader',
    )
    const term = (machine: RingMachine) => this.said.get(machine.name)?.cluster?.term?.number ?? 0
    return leading.toSorted((a, b) => term(b) - term(a))[0] ?? null
  }

  private async look(): Promise<void> {
    await this.lookOnce()
    if (!this.isDown) this.looking = setTimeout(() => void this.look(), LOOK_MS)
  }

  private async lookOnce(): Promise<void> {
    const said = await Promise.all(
      this.ring.machines.map(async (machine): Promise<readonly [string, Said]> => {
        // A dead agent is shown as one that does not answer: the log tells why.
        const [cluster, health] = await Promise.all([machine.cluster().catch(() => null), machine.health().catch(() => null)])
        return [machine.name, { cluster, health }]
      }),
    )
    this.said = new Map(said)
    for (const machine of this.ring.machines) this.journal.see(machine.name, this.momentOf(machine), this.nowMs())
  }

  private momentOf(machine: RingMachine): Moment {
    const cluster = this.said.get(machine.name)?.cluster ?? null
    const term = cluster?.term ? { number: cluster.term.number, leaderId: cluster.term.nodeId } : null
    return { role: roleOf(machine, cluster), term: machine.power === 'on' ? term : null }
  }

  private tell(kind: 'fault' | 'network', mark: string, text: string, nodeIds: readonly string[]): void {
    this.journal.tell({ atMs: this.nowMs(), kind, mark, text, nodeIds })
  }

  private nowMs(): number {
    return Math.round(performance.now() - this.startedAtMs)
  }
}

function roleOf(machine: RingMachine, cluster: ClusterFile | null): TimelineRole {
  if (machine.power !== 'on') return machine.power === 'paused' ? 'paused' : 'down'
  if (cluster === null) return 'seeking'
  if (cluster.role === 'leader') return 'leader'
  const hearsLeader = cluster.members.some((member) => member.alive && member.role === 'leader')
  if (cluster.role === 'proxy') return 'proxy'
  return hearsLeader ? 'follower' : 'seeking'
}

/** Fisher–Yates. */
function shuffled<T>(values: readonly T[], random: () => number): T[] {
  const result = [...values]
  for (let last = result.length - 1; last > 0; last -= 1) {
    const other = Math.floor(random() * (last + 1))
    ;[result[last], result[other]] = [result[other] as T, result[last] as T]
  }
  return result
}
