/** Keeps the `count` items of the greatest rank among however many are added. */
export function createLatest<T>(count: number) {
  let kept: { readonly rank: number; readonly item: T }[] = []
  const cut = () => {
    kept = kept.sort((a, b) => b.rank - a.rank).slice(0, count)
  }
  return {
    add(rank: number, item: T): void {
      kept.push({ rank, item })
      if (kept.length >= 2 * count) cut()
    },
    /** Greatest first. */
    list(): readonly T[] {
      cut()
      return kept.map(({ item }) => item)
    },
  }
}
