import type { Connection } from '../../schemas/config.ts'
import type { VerifyLine } from '../../schemas/verify-line.ts'
import type { CheckedOrder } from '../store/port/verify.ts'
import { againstVendor, type VendorDeps } from './against-vendor.ts'
import { CHECKS, type Finding } from './finding.ts'
import { checkStore, type StoreCheckDeps } from './store-check.ts'

/** The command `verify`: checks the store and, if asked to, compares the latest orders with their vendors. One line at a time. */
export async function* verify(
  deps: Omit<StoreCheckDeps, 'onOrder' | 'connections'> & VendorDeps,
  options: {
    /** Check the orders of these only; null: of all connections. */
    readonly connections: ReadonlySet<string> | null
    /** The connections to compare with their vendors, and how many of the latest orders of each. */
    readonly vendors: { readonly connections: readonly Connection[]; readonly orders: number } | null
    /** Repairs what is safe to repair. */
    readonly repair: boolean
  },
): AsyncGenerator<VerifyLine> {
  const { connections, vendors, repair } = options
  const looked = { orders: 0, events: 0, lanes: 0, backlog: 0, deadLetters: 0 }
  const found = { problems: 0, infos: 0, repaired: 0 }
  const latest = new Map(vendors?.connections.map(({ id }) => [id, createLatest<string>(vendors.orders)]))
  const onOrder = (order: CheckedOrder) => latest.get(order.connection)?.add(order.observedAt, order.orderId)

  for await (const step of checkStore({ ...deps, connections, onOrder })) {
    if ('finding' in step) yield await lineOf(step.finding)
    else {
      looked[step.progress.looking] = step.progress.done
      yield { type: 'progress', ...step.progress }
    }
  }
  for (const config of vendors?.connections ?? []) {
    const connection = config.id
    const orderIds = latest.get(connection)?.list() ?? []
    const steps = againstVendor(deps, config, orderIds)
    for (let next = await steps.next(); ; next = await steps.next()) {
      if (next.done) {
        yield { type: 'connection', connection, ...next.value }
        break
      }
      if ('finding' in next.value) yield await lineOf(next.value.finding)
      else yield { type: 'progress', looking: 'vendor', done: next.value.compared, connection }
    }
  }
  yield { type: 'summary', ...found, ...looked }

  async function lineOf({ check, where, what, repair: run }: Finding): Promise<VerifyLine> {
    const repaired = repair && run ? await run() : false
    const { severity, means, remedy } = CHECKS[check]
    if (repaired) found.repaired++
    else found[severity === 'problem' ? 'problems' : 'infos']++
    return { type: 'finding', check, severity, where, what, means, remedy, repaired }
  }
}

/** Keeps the `count` items of the greatest rank, however many are added. */
function createLatest<T>(count: number) {
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
