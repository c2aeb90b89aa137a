import { AppError } from '../lib/errors.ts'
import type { OrderRef } from '../sources/source.ts'
import type { Lease } from '../store/port/leases.ts'
import type { AppliedPage, ApplyOptions } from './apply-page.ts'
import type { PollTarget } from './poll-target.ts'
import { isStoreError } from './rest-after.ts'

/** After so many failures in a row the vendor is taken to be in trouble, not the orders. */
const MOST_FAILURES = 3

export interface OrdersRead {
  readonly taken: readonly AppliedPage[]
  /** Orders that could not be read this time; `error` says why. */
  readonly unread: readonly OrderRef[]
  readonly error: unknown
}

/** An error that may concern this one order only: not our store, no pause that the vendor asked for, nothing a person has to fix. */
const isOfOne = (error: unknown): boolean =>
  error instanceof AppError && error.intent === 'retry' && error.retryAfterMs === undefined && !isStoreError(error)

type Target = Pick<PollTarget, 'connection' | 'source' | 'store' | 'applyPage'>

/** Reads these orders in one request, changed or not. An order that the vendor does not know (any more) yields nothing. */
export async function pollOrders(
  { connection, source, store, applyPage }: Target,
  lease: Lease | null,
  refs: readonly OrderRef[],
  options: ApplyOptions,
): Promise<AppliedPage> {
  const known = await store.orders.load(
    connection,
    refs.map(({ orderId }) => orderId),
  )
  const complete = refs.map(({ orderId, userId }) => ({
    orderId,
    userId: userId ?? known.get(orderId)?.userId ?? null,
  }))
  const page = await source.fetch(complete, options)
  const [only] = complete
  const userId = complete.length === 1 && only?.userId ? { userId: only.userId } : {}
  return applyPage(lease, page, { ...options, ...userId, force: true, complete: true })
}

/** Reads single orders: together, and one by one where that fails, so that one unreadable order delays no other. */
export async function readOrders(
  polled: Target,
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
