/** One row of the audit log as far as its sentence needs it. */
export interface Told {
  action: string
  /** `user:<id>`, `node:<node id>` or `stranger`. */
  actor: string
  subject: string
  detail: string
}

const REFUSED: Record<string, string> = {
  TOKEN_EXPIRED: 'its command had expired',
  TOKEN_REVOKED: 'its command had been revoked',
  TOKEN_USED: 'its command had been used by another machine',
  TOKEN_WRONG_RING: 'it belongs to another ring or organisation',
  CONFLICT: 'another machine has its name, or the join took too long',
  CLOCK_SKEW: 'its clock or this server’s is wrong',
  NODE_REVOKED: 'it had been removed',
  NODE_LOCKED: 'it is locked',
}
const because = (code: string): string => REFUSED[code] ?? 'its request did not hold'

/** What happened to which machine or account, one sentence for each action that is ever written. */
const SENTENCES: Record<string, (machine: string, told: Told) => string> = {
  'account.made': (_, { subject }) => `The account ${subject} was made`,
  'session.started': (_, { subject }) => `${subject} signed in`,
  'session.refused': (_, { subject }) => `A sign-in as ${subject} failed: wrong password`,
  'session.ended': (_, { subject }) => `${subject} signed out`,
  'session.all-ended': (_, { subject }) => `Every sign-in of ${subject} was ended`,
  'password.changed': (_, { subject }) => `The password of ${subject} was changed, every other sign-in ended`,
  'password.refused': (_, { subject }) => `The password of ${subject} was not changed: the current one was typed wrong`,
  'token.made': (_, { detail }) => `A command to add machines was made: ${detail}`,
  'token.revoked': () => 'A command to add machines was revoked',
  'join.accepted': (machine) => `${machine} joined`,
  'join.repeated': (machine) => `${machine} asked again for the answer to its join`,
  'join.refused': (machine, { detail }) => `${machine} could not join: ${because(detail)}`,
  'node.clone-suspected': (machine) => `Two machines came with the key of ${machine}: both are locked out`,
  'node.sequence-ahead': (machine) => `${machine} knew more than this server’s records, as after a restored backup`,
  'node.renew-refused': (machine, { detail }) => `${machine} was refused: ${because(detail)}`,
  'node.key-replaced': (machine) => `${machine} replaced its key: the old one opens nothing any more`,
  'node.settings': (machine, { detail }) => `Settings of ${machine} were changed${detail === '' ? '' : `: ${detail}`}`,
  'node.removed': (machine) => `${machine} was removed`,
  'node.unlocked': (machine) => `${machine} was unlocked`,
  'ring.founded': (machine) => `${machine} founded the ring`,
  'ring.joined': (machine) => `${machine} is in the ring`,
  'ring.left': (machine) => `${machine} was taken out of the ring`,
  'rendezvous.on': () => 'Machines may find one another through this server',
  'rendezvous.off': () => 'Machines may no longer find one another through this server',
  'console.opened': (machine) => `The console of ${machine} was opened`,
}

/** Refusals and locks: what an owner looks for. */
const ALARMING = new Set(['session.refused', 'password.refused', 'join.refused', 'node.clone-suspected', 'node.renew-refused'])

export const isAlarming = (action: string): boolean => ALARMING.has(action)

/** A machine tells of itself by its actor; what a person does to a machine names it as the subject. */
export function sentenceOf(told: Told): string {
  const machine = told.actor.startsWith('node:') ? told.actor.slice('node:'.length) : told.subject
  return SENTENCES[told.action]?.(machine, told) ?? `${told.action} ${told.subject}`
}
