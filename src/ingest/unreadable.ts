import { AppError } from '../lib/errors.ts'
import type { Window } from '../sources/source.ts'
import { halve, without } from './window.ts'

/** Finds the ticks of the vendor's clock that make a window unreadable (case 43): one order in them breaks every page that holds it. */

/** One search finds at most so many. The next poll goes on from there. */
const MOST_FOUND = 5

/** Errors that may depend on the orders in the page: no JSON, a status of 5xx or 4xx, an envelope that reports failure. Never a Retry-After or a network error. */
const OF_A_PAGE = /\.(not_json|encoding|unavailable|refused|failed|malformed)$/

export const mayBeOfPage = (error: unknown): error is AppError =>
  error instanceof AppError &&
  error.intent === 'retry' &&
  error.retryAfterMs === undefined &&
  !error.code.startsWith('store.') &&
  OF_A_PAGE.test(error.code)

export interface Unreadable {
  readonly window: Window
  readonly error: AppError
}

export interface Search {
  readonly precisionMs: number
  /** Reads a window, or throws. `too-large`: halve it. */
  read(window: Window): Promise<'read' | 'too-large'>
  /** False: the vendor does not even answer for a window without orders. */
  answers(): Promise<boolean>
  /** How many orders were read so far. */
  orders(): number
}

/**
 * Reads a window except the ticks that cannot be read, and returns those. Throws the first error when the vendor itself is in trouble:
 * it does not answer for an empty window either, or no order at all can be read.
 */
export async function findUnreadable(
  search: Search,
  window: Window,
  first: AppError,
): Promise<{ found: readonly Unreadable[]; complete: boolean }> {
  const { precisionMs } = search
  const found: Unreadable[] = []
  const windows = () => found.map(one => one.window)

  async function assertAnswers(): Promise<void> {
    if (!(await search.answers())) throw first
  }

  async function attempt(part: Window): Promise<'read' | 'too-large' | AppError> {
    try {
      return await search.read(part)
    } catch (error) {
      if (mayBeOfPage(error)) return error
      throw error
    }
  }

  /** `part` could not be read. */
  async function narrow(part: Window, error: AppError): Promise<void> {
    const halves = halve(part, precisionMs) ?? instantsOf(part)
    const open: { half: Window; result: 'too-large' | AppError }[] = []
    // Read both halves first: a success shows early that the vendor is well.
    for (const half of halves) {
      const result = await attempt(half)
      if (result !== 'read') open.push({ half, result })
    }
    const failures = open.filter(({ result }) => result !== 'too-large').length
    // Both failed: each for its own broken order, or the vendor is in trouble by now.
    if (failures === 2) await assertAnswers()
    // Halves meet in one instant, which may be found already.
    for (const { half, result } of open)
      for (const rest of without(half, windows(), precisionMs)) {
        if (found.length >= MOST_FOUND) return
        const isSame = rest.from === half.from && rest.to === half.to
        const now = isSame ? result : await attempt(rest)
        if (now !== 'read') await narrow(rest, now === 'too-large' ? error : now)
      }
    const isExplained = failures > 0 || windows().some(({ from, to }) => from <= part.to && to >= part.from)
    if (halves.length > 0 && (isExplained || part.to - part.from > precisionMs)) return
    await assertAnswers()
    const again = await attempt(part)
    if (again instanceof AppError) found.push({ window: part, error: again })
    if (found.length > 1 && search.orders() === 0) throw first
  }

  await assertAnswers()
  await narrow(window, first)
  return { found, complete: found.length < MOST_FOUND }
}

/** One tick, closed at both ends, holds two instants. */
const instantsOf = ({ from, to }: Window): readonly Window[] =>
  from === to
    ? []
    : [
        { from, to: from },
        { from: to, to },
      ]
