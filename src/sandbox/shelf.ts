/** One order as a simulated vendor holds it: the JSON it answers, verbatim, and what its lists filter and sort by. */
export interface Entry {
  readonly id: string
  readonly json: string
  /** The same order in the vendor's other API version, where that looks different; else equal to `json`. */
  readonly otherJson: string
  /** Milliseconds since the epoch. */
  readonly updatedAt: number
  readonly createdAt: number | null
  readonly placedAt: number | null
  /** Status words that lists can filter by, by the name of their parameter. */
  readonly words: Readonly<Record<string, string>>
  /** The buyer, where the vendor lists orders by buyer. */
  readonly owner: string | null
}

/** An entry on its shelf. `n` grows with every change and breaks ties of `updatedAt`. */
export interface Shelved extends Entry {
  readonly n: number
}

/**
 * The orders of one simulated vendor, indexed by id and by update time. A changed order leaves a dead place in the time index and
 * gets a new one at its end, so steady work costs nothing; the index is put in order again only when a reader needs it.
 */
export interface Shelf {
  put(entry: Entry): void
  get(id: string): Shelved | undefined
  remove(id: string): boolean
  clear(): void
  size(): number
  /** Orders with `from <= updatedAt <= to`, oldest first. */
  window(from: number, to: number): readonly Shelved[]
  /** Orders of one buyer, in the order they came to be. */
  ofOwner(owner: string): readonly Shelved[]
}

export function createShelf(): Shelf {
  const byId = new Map<string, Shelved>()
  const owners = new Map<string, Set<string>>()
  let timeline: Shelved[] = []
  let sorted = true
  let dead = 0
  let counter = 0

  const alive = (entry: Shelved): boolean => byId.get(entry.id) === entry

  const settle = (): void => {
    if (dead > 0 && dead * 4 > timeline.length) {
      timeline = timeline.filter(alive)
      dead = 0
    }
    if (!sorted) timeline.sort((a, b) => a.updatedAt - b.updatedAt || a.n - b.n)
    sorted = true
  }

  /** The first place whose time is not below `time`. */
  const placeOf = (time: number): number => {
    let [low, high] = [0, timeline.length]
    while (low < high) {
      const middle = (low + high) >>> 1
      if ((timeline[middle]?.updatedAt ?? 0) < time) low = middle + 1
      else high = middle
    }
    return low
  }

  const forgetOwner = (entry: Shelved): void => {
    if (entry.owner === null) return
    const ids = owners.get(entry.owner)
    ids?.delete(entry.id)
    if (ids?.size === 0) owners.delete(entry.owner)
  }

  return {
    put(entry) {
      const before = byId.get(entry.id)
      if (before !== undefined) {
        dead += 1
        if (before.owner !== entry.owner) forgetOwner(before)
      }
      counter += 1
      const shelved = { ...entry, n: counter }
      const last = timeline.at(-1)
      if (last !== undefined && last.updatedAt > entry.updatedAt) sorted = false
      byId.set(entry.id, shelved)
      timeline.push(shelved)
      if (entry.owner !== null) {
        const ids = owners.get(entry.owner)
        if (ids === undefined) owners.set(entry.owner, new Set([entry.id]))
        else ids.add(entry.id)
      }
    },
    get: id => byId.get(id),
    remove(id) {
      const entry = byId.get(id)
      if (entry === undefined) return false
      byId.delete(id)
      forgetOwner(entry)
      dead += 1
      return true
    },
    clear() {
      byId.clear()
      owners.clear()
      timeline = []
      dead = 0
      sorted = true
    },
    size: () => byId.size,
    window(from, to) {
      settle()
      const found: Shelved[] = []
      for (let place = placeOf(from); place < timeline.length; place += 1) {
        const entry = timeline[place]
        if (entry === undefined || entry.updatedAt > to) break
        if (alive(entry)) found.push(entry)
      }
      return found
    },
    ofOwner: owner => [...(owners.get(owner) ?? [])].flatMap(id => byId.get(id) ?? []),
  }
}
