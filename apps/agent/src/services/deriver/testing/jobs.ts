import { JobsAnswer, type JobsOrder } from '@thatdam/protocol/jobs'
import { recipeHash } from '@thatdam/store/recipe-hash'
import { waitFor } from '@thatdam/testkit/service-host'
import type { TestDeriver } from './deriver.ts'

const OTHERS = { kind: 'photo', mimeType: 'image/jpeg', durationMs: null } as const
export const FILM = { kind: 'video', mimeType: 'video/mp4' } as const
export const READING = { recipe: 'media-info', recipeHash: recipeHash('media-info') }
export const RECIPES = ['thumb-320', 'thumb-1280'].map((recipe) => ({ recipe, recipeHash: recipeHash(recipe as 'thumb-320') }))

/** Both previews of a picture of another machine. */
export function jobFor(source: string, sizeBytes: number, count: number): JobsOrder['jobs'][number] {
  const jobId = `derive/${source}/${'0'.repeat(16)}`
  return { ...OTHERS, holders: ['win11-editor'], jobId, fence: { term: 1, count }, source, sizeBytes, recipes: RECIPES }
}

/** As the leader orders; gives how each job stands. */
export async function ordered(deriver: TestDeriver, jobs: JobsOrder['jobs']): Promise<Record<string, string>> {
  // Until it is up it takes no commands.
  const answer = await waitFor(async () => {
    const given = await deriver.command('jobs', { leaseMs: 60_000, jobs })
    return given?.ok === true ? given : null
  })
  const told = JobsAnswer.parse(answer.value)
  return Object.fromEntries(told.jobs.map(({ jobId, state }) => [jobId.split('/')[1] ?? '', state]))
}
