import { ThatdamError } from '@thatdam/protocol/errors'
import { NodeId } from '@thatdam/protocol/ids'
import { JOBS_MAX, POOLS, PRIORITIES, type Job } from './contract.ts'

const JOB_ID_LENGTH_MAX = 200
const CREDITS_PER_JOB_MAX = 10_000

const isNodeId = (value: unknown): boolean => NodeId.safeParse(value).success

/** Refuses a job that would upset the order of all others. @throws ThatdamError BAD_REQUEST with the field's name, TOO_MANY_REQUESTS when full. */
export function checkJob(job: Job, hasRoom: boolean): void {
  const text = typeof job.jobId === 'string' ? job.jobId.slice(0, JOB_ID_LENGTH_MAX) : String(job.jobId)
  const refuse = (field: keyof Job, rule: string): never => {
    throw new ThatdamError(
      'BAD_REQUEST',
      `Job ${text} was not queued: ${field} must be ${rule}, not ${String(job[field])}. Correct it and ask again.`,
    )
  }
  if (text === '' || text !== job.jobId) refuse('jobId', `a text of 1–${JOB_ID_LENGTH_MAX} characters`)
  if (!POOLS.includes(job.pool)) refuse('pool', `one of ${POOLS.join(', ')}`)
  if (!PRIORITIES.includes(job.priority)) refuse('priority', `one of ${PRIORITIES.join(', ')}`)
  if (!isNodeId(job.asker)) refuse('asker', 'a node id')
  if (!(job.queuedAtMs >= 0 && job.queuedAtMs <= Number.MAX_SAFE_INTEGER)) refuse('queuedAtMs', 'a time in milliseconds since 1970')
  if (!(job.credits >= 0 && job.credits <= CREDITS_PER_JOB_MAX)) refuse('credits', `0–${CREDITS_PER_JOB_MAX} minutes of a core`)
  if (!(job.inputBytes >= 0 && job.inputBytes <= Number.MAX_SAFE_INTEGER)) refuse('inputBytes', 'a number of bytes')
  if (!Array.isArray(job.near) || !job.near.every(isNodeId)) refuse('near', 'a list of node ids')
  if (job.onlyOn !== null && !isNodeId(job.onlyOn)) refuse('onlyOn', 'a node id or null')
  if (!hasRoom) {
    throw new ThatdamError(
      'TOO_MANY_REQUESTS',
      `Job ${text} was not queued: ${JOBS_MAX} jobs wait already. Ask again when some of them are done.`,
    )
  }
}
