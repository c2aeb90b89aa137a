import { AppError } from '../lib/errors.ts'
import type { OrderRef } from '../sources/source.ts'
import type { Lease } from '../store/port/leases.ts'
import type { AppliedPage, ApplyOptions } from './apply-page.ts'
import { type PollTarget, pollOrders } from './poll.ts'

/** Orders that fail one after the other before it is held to be the vendor's trouble, not theirs. */
const MOST_FAILURES = 3

export interface OrdersRead {
  readonly taken: readonly AppliedPage[]
  /** Orders that could not be read this time; `error` says why. */
  readonly unread: readonly OrderRef[]
  readonly error: unknown
}

/** An error that may concern this one order only: not our store, not the vendor's pause, nothing a person has to mend. */
const isOfOne = (error: unknown): boolean =>
  error instanceof AppError &&
  error.intent === 'retry' &&
  error.retryAfterMs === undefined &&
  !error.code.startsWith('store.')

/** Reads single orders so that one that cannot be read holds up no other: together, and one by one where that fails. */
export async function readOrders(
  polled: Pick<PollTarget, 'connection' | 'source' | 'store' | 'applyPage'>,
  lease: Lease,
  refs: readonly OrderRef[],
  options: ApplyOptions,
): Promise<OrdersRead> {
  const taken: AppliedPage[] = []
  const unread: OrderRef[] = []
  let failure: unknown = null
  const read = async (some: readonly OrderRef[]): Promise<boolean> => {
    try {
      taken.push(await pollOrders(polled, lease, some, options))
      return true
    } catch (error) {
      if (options.signal.aborted || !isOfOne(error)) throw error
      failure = error
      return false
    }
  }

  if (await read(refs)) return { taken, unread, error: null }
  if (refs.length === 1) return { taken, unread: refs, error: failure }
  for (const [index, ref] of refs.entries()) {
    if (!(await read([ref]))) unread.push(ref)
    if (unread.length === MOST_FAILURES) {
      unread.push(...refs.slice(index + 1))
      break
    }
  }
  return { taken, unread, error: failure }
}
