/** So small a share that its odds outdo those of every real one, and far from what a double can still hold. */
const UNDRAWN = 1e-80
/** In larger rings the odds of order sampling are right by themselves, within a percent. */
const CALIBRATED_NODES_MAX = 40
const ROUNDS_MAX = 12
/** Nearer to its share than this a chance is not brought. */
const TOLERANCE = 0.002

/** R·w/W for each, none above 1: what the capped ones cannot hold is shared out among the others. Sums to R where there are R nodes. */
export function sharesOf(weights: readonly number[], replicas: number): number[] {
  const shares = weights.map(() => 0)
  let left = Math.min(replicas, weights.length)
  let open = weights.map((_, index) => index)
  while (open.length > 0) {
    const total = open.reduce((sum, index) => sum + (weights[index] ?? 0), 0)
    const full = open.filter((index) => ((weights[index] ?? 0) * left) / total >= 1)
    if (full.length === 0) {
      for (const index of open) shares[index] = ((weights[index] ?? 0) * left) / total
      break
    }
    for (const index of full) shares[index] = 1
    left -= full.length
    open = open.filter((index) => shares[index] !== 1)
    // All copies are given out: the others would get none, but stay drawable for stand-ins.
    if (left <= 0) {
      for (const index of open) shares[index] = UNDRAWN
      break
    }
  }
  return shares
}

/**
 * Odds against holding a blob, from shares: each node draws u/(1−u)·odds, and the smallest hold it. With (1−π)/π, Pareto order sampling (Rosén, 1997),
 * each holds its share π nearly: in rings of four very unequal nodes one was seen 30 % off. There the odds are corrected, round by round, by what they
 * do: the chance of each node is computed, and its odds grow as its chance is too good. Only sums, products and quotients: the same bits everywhere.
 */
export function oddsOf(shares: readonly number[]): number[] {
  const odds = shares.map((share) => (1 - share) / share)
  const open = shares.flatMap((share, index) => (share < 1 && share > UNDRAWN ? [index] : []))
  const targets = open.map((index) => shares[index] ?? 0)
  const draws = Math.round(targets.reduce((sum, share) => sum + share, 0))
  const isEqual = targets.every((share) => share === targets[0])
  if (draws < 1 || draws >= open.length || open.length > CALIBRATED_NODES_MAX || isEqual) return odds
  let corrected = targets.map((share) => (1 - share) / share)
  for (let round = 0; round < ROUNDS_MAX; round++) {
    const chances = chancesOf(corrected, draws)
    if (targets.every((share, index) => Math.abs((chances[index] ?? 0) / share - 1) < TOLERANCE)) break
    corrected = corrected.map((odd, index) => odd * (against(targets[index] ?? 0) / against(chances[index] ?? 0)))
  }
  open.forEach((index, place) => (odds[index] = corrected[place] ?? 0))
  return odds
}

const against = (chance: number): number => {
  const bounded = Math.min(1 - 1e-9, Math.max(1e-9, chance))
  return (1 - bounded) / bounded
}

const GRID_STEP = 1.125
const GRID_MARGIN = 1e5

/**
 * The chance of each to be among the `draws` smallest, where x = u/(1−u)·odds has the distribution x/(x + odds): over a geometric grid of x, how
 * much of it falls between two points, times the chance that fewer than `draws` of the others are below.
 */
export function chancesOf(odds: readonly number[], draws: number): number[] {
  const chances = odds.map(() => 0)
  const end = Math.max(...odds) * GRID_MARGIN
  let before = odds.map(() => 0)
  let roomBefore = odds.map(() => 1)
  for (let x = Math.min(...odds) / GRID_MARGIN; x < end; x *= GRID_STEP) {
    const below = odds.map((odd) => x / (x + odd))
    const room = roomBeside(below, draws)
    below.forEach((share, index) => {
      chances[index] = (chances[index] ?? 0) + (share - (before[index] ?? 0)) * (((room[index] ?? 0) + (roomBefore[index] ?? 0)) / 2)
    })
    before = below
    roomBefore = room
  }
  return chances
}

/** For each: the chance that fewer than `draws` of the others happen, from the counts of those before it and those after it. */
function roomBeside(happens: readonly number[], draws: number): number[] {
  const none = Array.from({ length: draws }, (_, count) => Number(count === 0))
  const beforeEach = running(happens, none)
  const afterEach = running(happens.toReversed(), none).toReversed()
  return happens.map((_, index) => {
    const [left, right] = [beforeEach[index] ?? [], afterEach[index + 1] ?? []]
    let room = 0
    for (let a = 0; a < draws; a++) for (let b = 0; a + b < draws; b++) room += (left[a] ?? 0) * (right[b] ?? 0)
    return room
  })
}

/** Entry i: how probable 0, 1, … draws−1 of the first i are. */
function running(happens: readonly number[], none: readonly number[]): (readonly number[])[] {
  const counts = [none]
  for (const chance of happens) {
    const last = counts.at(-1) ?? none
    counts.push(last.map((value, count) => value * (1 - chance) + (count > 0 ? (last[count - 1] ?? 0) * chance : 0)))
  }
  return counts
}
