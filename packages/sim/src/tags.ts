import { latestEdits, readSet, type SetEdit, type SetRule } from '@thatdam/oplog/sets'
import { canonicalJson } from '@thatdam/protocol/canonical'
import type { Op } from '@thatdam/protocol/ops'

/** Two, so that machines on both sides of a cut often mean the same one. */
const ELEMENTS = ['crete', 'holiday'] as const
const RULES: readonly SetRule[] = ['add-wins', 'remove-wins']

/** A set that people edit beside the titles: what is in it by either rule. An edit lies in an op as its value. */
export class TagSet {
  /** By their text: a disk that was put back may write another edit under an id that is out already. */
  private readonly edits = new Map<string, SetEdit>()
  private readonly read: typeof readSet

  constructor(read: typeof readSet) {
    this.read = read
  }

  take({ id, hlc }: Pick<Op, 'id' | 'hlc'>, value: unknown): void {
    const edit = { ...(value as Pick<SetEdit, 'element' | 'action' | 'seen'>), id, hlc }
    this.edits.set(textOf(edit), edit)
  }

  ids(): Iterable<string> {
    return this.edits.values().map(({ id }) => id)
  }

  /** What a person does who sees the set as it is here: takes out what is in it, puts in what is not. No draw of chance: `opId` decides. */
  next(opId: string): Pick<SetEdit, 'element' | 'action'> & { seen: string[] } {
    const element = ELEMENTS[Number.parseInt(opId.slice(0, 2), 16) % ELEMENTS.length] ?? ELEMENTS[0]
    const seen = (latestEdits(this.edits.values()).get(element) ?? []).map((edit) => edit.id)
    return { element, action: this.read(this.edits.values(), 'add-wins').includes(element) ? 'remove' : 'add', seen: seen.toSorted() }
  }

  shown(): string[][] {
    return RULES.map((rule) => this.read(this.edits.values(), rule))
  }

  /** The same by the plain definition, over all pairs. */
  expected(): string[][] {
    const every = [...this.edits.values()]
    const all = every.filter((edit) => !every.some((other) => other.id === edit.id && textOf(other) < textOf(edit)))
    const isLatest = (edit: SetEdit): boolean => !all.some((other) => other.element === edit.element && other.seen.includes(edit.id))
    return RULES.map((rule) =>
      ELEMENTS.filter((element) => {
        const latest = all.filter((edit) => edit.element === element && isLatest(edit)).map((edit) => edit.action)
        return latest.length > 0 && (rule === 'add-wins' ? latest.includes('add') : !latest.includes('remove'))
      }),
    )
  }
}

/** Of two with one id the earlier stamp counts, then the smaller text. */
const textOf = ({ id, hlc, element, action, seen }: SetEdit): string => `${hlc} ${canonicalJson({ id, hlc, element, action, seen })}`
