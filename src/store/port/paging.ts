/** A page of a listing, newest or oldest first as each method says. `after`: the `n` of the last row of the page before. */
export interface Paging {
  readonly limit: number
  readonly after?: number
}
