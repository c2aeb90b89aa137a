/** Few enough that the first page is no burden even where all its rows are large. */
const FIRST = 16

/** How many rows to ask for at a time, so that a page of them is about so many bytes, whatever their size. */
export interface PageSize {
  readonly limit: number
  /** A page came: so many rows of so many bytes together. */
  seen(rows: number, bytes: number): void
}

/** `most`: rows at most. It grows by doubling, and shrinks at once to what the last page says. */
export function createPageSize({ most, bytes: budget }: { most: number; bytes: number }): PageSize {
  let limit = Math.min(FIRST, most)
  return {
    get limit() {
      return limit
    },
    seen(rows, bytes) {
      if (rows === 0) return
      const fitting = Math.floor(budget / Math.max(1, bytes / rows))
      limit = Math.max(1, Math.min(fitting, limit * 2, most))
    },
  }
}

/** The first of these items whose sizes together are within the budget; always at least one, where there is any. */
export function within<T>(items: readonly T[], budget: number, sizeOf: (item: T) => number): readonly T[] {
  let size = 0
  const end = items.findIndex((item, index) => {
    size += sizeOf(item)
    return index > 0 && size > budget
  })
  return end === -1 ? items : items.slice(0, end)
}
