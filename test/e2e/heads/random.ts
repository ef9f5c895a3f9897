/** Gives integers from 0 to below its argument. */
export type Random = (below: number) => number

/** Numbers that look random, the same for the same seed (mulberry32). */
export function randoms(seed: number): Random {
  let state = seed
  return (below) => {
    state = (state + 0x6d2b79f5) | 0
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state)
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed
    return ((mixed ^ (mixed >>> 14)) >>> 0) % below
  }
}

/** One of several. */
export function oneOf<T>(random: Random, all: readonly T[]): T {
  const one = all[random(all.length)]
  if (one === undefined) throw new Error('there is nothing to choose from')
  return one
}

/** Up to `most` pieces in a row. */
export function joined(random: Random, pieces: readonly string[], most: number): string {
  return Array.from({ length: random(most + 1) }, () => oneOf(random, pieces)).join('')
}
