import { readAgain } from '../../src/api/read-again.ts'
import type { Broker } from './broker.ts'
import type { Checks } from './checks.ts'
import type { Durable } from './durable.ts'
import { second } from './orders.ts'
import type { Plan } from './plan.ts'
import type { Process } from './process.ts'
import type { Slots } from './slots.ts'
import type { Time } from './time.ts'
import type { Trace } from './trace.ts'
import type { Vendor } from './vendor.ts'

/** How long everything may take to heal once the storm is over: the longest back-off and probe are minutes. Wall clocks that jumped an hour may cost hours. */
const [HEAL_MS, HEAL_AFTER_JUMPS_MS] = [3_600_000, 3 * 3_600_000]

/** After a storm: waits until all has come right by itself, then has operators do what they would, and judges. */
export async function heal(world: {
  plan: Plan
  time: Time
  trace: Trace
  durable: Durable
  checks: Checks
  slots: Slots
  broker: Broker | null
  vendors: readonly Vendor[]
  /** The embedded log's position. */
  settled: () => number
}): Promise<void> {
  const { plan, time, trace, durable, checks, slots, broker, vendors } = world
  const patience = plan.jumps ? HEAL_AFTER_JUMPS_MS : HEAL_MS

  /** Begins; what it does takes time, which somebody else has to let pass. */
  const each = (run: (by: Process) => Promise<unknown>): void => {
    for (const by of slots.running()) run(by).catch(() => {})
  }

  function idle(): boolean {
    const [lane] = durable.query('select 1 from lanes where held = 0 limit 1')
    const [open] = durable.query('select 1 from unpublished limit 1')
    const [last] = durable.query<{ n: number | null }>('select max(n) as n from events')
    // One that a process woken late had claimed is done once more when that is clear.
    const [replay] = durable.query('select 1 from replays limit 1')
    return !lane && !open && !replay && (broker ? broker.quiet() : world.settled() >= (last?.n ?? 0))
  }

  /** It breaks the lists that hold it, or is in quarantine with all else of its second. */
  const isHidden = (vendor: Vendor, orderId: string) =>
    vendor.isCursed(orderId) || checks.inSpan(vendor.id, second(vendor.orders.get(orderId)?.updatedAt ?? 0))

  const explained = () => {
    const unread = new Set(checks.quarantined().map(({ connection, orderId }) => `${connection}/${orderId}`))
    for (const vendor of vendors)
      for (const order of vendor.orders.values()) if (isHidden(vendor, order.id)) unread.add(`${vendor.id}/${order.id}`)
    return (fact: string) => unread.has(fact.split(' ')[0] ?? '')
  }

  function healed(): boolean {
    if (!idle() || checks.undelivered().length > 0) return false
    const facts = checks.untold()
    return (facts.length === 0 || facts.every(explained())) && stale().length === 0
  }

  /** Still in quarantine, although the polls have come past it since it could be read again. */
  const stale = () =>
    checks.quarantined().filter(({ connection, orderId }) => {
      const vendor = vendors.find(({ id }) => id === connection)
      return vendor?.seenSinceCleared(orderId) && !isHidden(vendor, orderId)
    })

  /** Endpoints that were paused (the word may come late), or disabled themselves, are put into use again. */
  async function resumeAll(): Promise<void> {
    const rows = durable.query<{ id: string }>(`select id from endpoints where state <> 'active'`)
    if (rows.length === 0) return
    for (const { id } of rows) await durable.store.endpoints.update(id, { state: 'active', stateReason: null })
    each(async by => {
      await by.dispatch.refresh()
      by.dispatch.wake()
    })
  }

  /** Quarantined orders and spans are read again, and dead letters sent again. */
  function operate(): void {
    for (const { id, connection } of checks.spans())
      each(async by => {
        await by.store.quarantine.makeDue(id, by.life.clock.now())
        by.ingest.wake(connection)
      })
    for (const { connection, orderId } of checks.quarantined())
      each(by => readAgain({ ...by, clock: by.life.clock }, connection, orderId))
    each(by => by.store.deadLetters.redrive({}, by.life.clock.now()).then(() => by.dispatch.wake()))
  }

  const frozen = () => slots.running().length < slots.size
  await time.until(() => !frozen(), 100_000, 1_000)
  // A vendor may be down from the start, for longer than the storm.
  await time.until(() => vendors.every(({ manners }) => !manners.down), patience, 1_000)
  await resumeAll()
  await time.run(Math.max(0, ...vendors.map(vendor => vendor.restlessUntil - time.now)) + 15_000)
  if (plan.silent) {
    // By then no poll looks back to where the orders are listed.
    await time.run(plan.overlapMs + 30_000)
    for (const vendor of vendors) vendor.whisper()
    await time.run(15_000)
  }
  const recovered = async () => {
    await resumeAll()
    return healed()
  }
  if (!(await time.until(recovered, patience, 5_000))) {
    const isExplained = explained()
    for (const fact of checks.untold())
      if (!isExplained(fact)) checks.violated(`neither told nor in quarantine: ${fact}`)
    for (const delivery of checks.undelivered())
      checks.violated(`not delivered in ${patience / 3_600_000} h: ${delivery}`)
    for (const { connection, orderId } of stale()) checks.violated(`stays in quarantine: ${connection}/${orderId}`)
    if (!idle()) checks.violated('not idle long after the storm')
  }
  if (checks.violations.length > 0) return
  for (const vendor of vendors) vendor.liftCurses()
  trace.note('what is in quarantine is read again, and dead letters are sent again')
  operate()
  for (const vendor of vendors) vendor.recordAll()
  await time.run(2_000)
  const clean = () =>
    idle() &&
    checks.quarantined().length === 0 &&
    checks.spans().length === 0 &&
    checks.untold().length === 0 &&
    // A loop may wait for its next turn, minutes away.
    checks.failing().length === 0
  await time.until(clean, patience, 5_000)
  await time.run(12_000)
  checks.finally()
  if (!idle()) checks.violated('the log was not read to its end')
}
