import type { Roster } from './roster.ts'

/** What it means that a machine goes: told before the person says yes. */
export type Farewell = {
  /** Null when it can be done; else why it must not, and what to do first. */
  refusal: string | null
  /** One sentence each. */
  means: readonly string[]
}

const STAYS = 'What it recorded, indexed and edited stays in the library; originals that lie on it alone stay on it, and are shown as away.'

/** The machine leaves by itself (`retire`): for one that is sold, given away, or set up anew. */
export function meaningOfRetiring(roster: Roster, nodeId: string): Farewell {
  const last = lastAdmitter(roster, nodeId)
  const isAlone = roster.members.size === 1
  return {
    refusal: isAlone
      ? `${nodeId} is the ring’s only machine: there is nothing to leave. Uninstall it, or let it join another ring.`
      : last
        ? `${nodeId} is the only machine that may admit others. Wait until a standby may, or choose one in the console, then retire it.`
        : null,
    means: [
      `${nodeId} leaves the ring. The others go on without it, and do not wait for it any more.`,
      STAYS,
      'It can join again with a new token.',
    ],
  }
}

/** The owner removes a machine (`remove`): for one that is lost, stolen or broken. */
export function meaningOfRemoving(roster: Roster, nodeId: string): Farewell {
  const member = roster.members.get(nodeId)
  const last = lastAdmitter(roster, nodeId) && roster.ownerRecoveryKey === null
  return {
    refusal:
      member === undefined
        ? `There is no machine ${nodeId} in the ring.`
        : last
          ? `${nodeId} is the only machine that may admit others, and there is no recovery key. Make one, or let another machine admit, then remove it.`
          : null,
    means: [
      `Every machine refuses ${nodeId} from the moment it hears of this: within seconds on this network, later where one is away.`,
      'What it had done before stays. What it does from now on, or did unseen while it was away, does not count.',
      STAYS,
      ...(member?.admitter === true
        ? [`Machines that ${nodeId} admitted and this ring has seen stay. Look through the list for any that you do not know.`]
        : []),
      'It does not come back by itself: only with a new token, or approved by six digits.',
    ],
  }
}

const lastAdmitter = (roster: Roster, nodeId: string): boolean =>
  [...roster.members.values()].every((member) => !member.admitter || member.nodeId === nodeId)
