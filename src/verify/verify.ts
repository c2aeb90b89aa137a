import type { VerifyLine } from '../../schemas/api.ts'
import type { Connection } from '../../schemas/config.ts'
import type { AuditedOrder } from '../store/port/audit.ts'
import { againstVendor, type VendorDeps } from './against-vendor.ts'
import { CHECKS, type Finding } from './finding.ts'
import { createLatest } from './latest.ts'
import { type AuditDeps, audit } from './store-check.ts'

/** Looks through the store and, if asked to, compares the latest orders with their vendors. Line by line, so that nothing piles up. */
export async function* verify(
  deps: Omit<AuditDeps, 'onOrder' | 'connections'> & VendorDeps,
  options: {
    /** Whose orders; null: everybody's. */
    readonly connections: ReadonlySet<string> | null
    /** The connections to compare with their vendors, and how many of the latest orders of each. */
    readonly vendors: { readonly connections: readonly Connection[]; readonly orders: number } | null
    /** Mends what is safe to mend. */
    readonly repair: boolean
  },
): AsyncGenerator<VerifyLine> {
  const { connections, vendors, repair } = options
  const looked = { orders: 0, events: 0, lanes: 0, backlog: 0, deadLetters: 0 }
  const found = { problems: 0, infos: 0, repaired: 0 }
  const latest = new Map(vendors?.connections.map(({ id }) => [id, createLatest<string>(vendors.orders)]))
  const onOrder = (order: AuditedOrder) => latest.get(order.connection)?.add(order.observedAt, order.orderId)

  for await (const step of audit({ ...deps, connections, onOrder })) {
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

  async function lineOf({ check, where, what, repair: mend }: Finding): Promise<VerifyLine> {
    const repaired = repair && mend ? await mend() : false
    const { severity, means, remedy } = CHECKS[check]
    if (repaired) found.repaired++
    else found[severity === 'problem' ? 'problems' : 'infos']++
    return { type: 'finding', check, severity, where, what, means, remedy, repaired }
  }
}
