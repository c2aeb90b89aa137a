/** A small seeded generator (mulberry32): the same seed gives the same shop. Not for secrets. */
export interface Random {
  /** In [0, 1). */
  next(): number
  /** An integer in [from, to], both included. */
  between(from: number, to: number): number
  pick<const T extends readonly [unknown, ...unknown[]]>(items: T): T[number]
  chance(probability: number): boolean
}

export function createRandom(seed: number): Random {
  let state = seed >>> 0
  const next = (): number => {
    state = (state + 0x6d2b79f5) >>> 0
    let mixed = Math.imul(state ^ (state >>> 15), state | 1)
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32
  }
  const between = (from: number, to: number): number => from + Math.floor(next() * (to - from + 1))
  return {
    next,
    between,
    pick: items => items[between(0, items.length - 1)] ?? items[0],
    chance: probability => next() < probability,
  }
}
