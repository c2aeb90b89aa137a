import { BACK, COMEBACKS, LOOK_BACK, MOMENTS, POLLS, PRUNED, REFUSALS, SILENT } from './mutant-plans.ts'
import type { Plan } from './plan.ts'

/** A planted defect, which the simulation must notice. */
export interface Mutant {
  readonly name: string
  readonly edits: readonly Edit[]
  /** The storm that shows it soon; absent: any storm does. */
  readonly plan?: Partial<Plan>
  /** The first seed, for a defect that one seed in hundreds shows. */
  readonly from?: number
}

/** A change of one function, wherever in `src` it is. `from` has to be in functions of this name exactly once; white space may differ. */
export type Edit = readonly [inFunction: string, from: string, to: string]

const mutant = (name: string, ...edits: Edit[]): Mutant => ({ name, edits })

const aimed = (plan: Partial<Plan>, one: Mutant): Mutant => ({ ...one, plan })

export const MUTANTS: readonly Mutant[] = [
  aimed(SILENT, mutant('a reconciliation publishes nothing', ['takeMissed', 'orders: ours }', 'orders: [] }'])),
  aimed(COMEBACKS, mutant('writes are not checked against the lease', ['holdLease', 'rows.length === 0', 'false'])),
  {
    ...mutant('a process that lost its lease spills', [
      'write',
      'deps.lanes.spill(rowsOf(part, leases), lane, { leases: [...leases.values()] })',
      'deps.lanes.spill(rowsOf(part, leases), lane)',
    ]),
    from: 850_937,
  },
  {
    ...mutant('a replay leaves out what is published again', [
      'leftOutFrom',
      'from.set(orderKey, Math.max(last.sequence, refused.get(orderKey) ?? 0))',
      'from.set(orderKey, refused.get(orderKey) ?? 0)',
    ]),
    from: 5_071,
  },
  {
    ...mutant(
      'a page that is smaller than asked for is taken for the last',
      ['isLast', 'rows === 0 || rows < largest', 'rows < 250'],
      ['allowed', 'Math.max(most, one.missing)', 'most + one.missing'],
    ),
    from: 8_164,
  },
  {
    ...mutant('the cursor moves to where our clock is when the reading ends', [
      'patchOf',
      'now, ours, Math.round(Math.min(present, clock.now()) - elapsed)',
      'now, Math.round(present - elapsed), clock.now()',
    ]),
    from: 9_626,
  },
  {
    ...mutant('a replay does not wait for spills under way', [
      'spillAndWait',
      'await Promise.all([...ends, ...underWay])',
      'await Promise.all(ends)',
    ]),
    from: 8_741,
  },
  {
    ...mutant('a late answer about due lanes counts although its lane has come and gone', [
      'take',
      'table.has(row.orderKey) || left.has(row.orderKey)',
      'table.has(row.orderKey)',
    ]),
    from: 15_629,
  },
  {
    ...mutant('a success elsewhere forgets a window that cannot be read', [
      'around',
      "priority === 'backfill' && isSecond",
      "priority === 'backfill'",
    ]),
    from: 23_103,
  },
  {
    ...mutant('a lane is held although there is no dead letter', [
      'deadLetterHead',
      'hold && inserted.numAffectedRows',
      'hold',
    ]),
    from: 22_474,
  },
  {
    ...mutant('new events overtake those that are published again', [
      'publishNew',
      'heldBack.any ? before : 0',
      'before',
    ]),
    from: 40_838,
  },
  mutant('a position is committed before its event is delivered', [
    'advance',
    'oldest ? oldest.before : taken',
    'taken',
  ]),
  mutant('the cursor moves before the rows are stored', [
    'poll',
    'const gaps = await readFronts(',
    'if (lease) await target.store.connections.update(lease, target.connection, { cursor: Math.max(plan.now, target.clock.now()) })\nconst gaps = await readFronts(',
  ]),
  mutant('polls do not overlap', ['whole', 'Math.min(cursor, now) - overlapMs', 'Math.min(cursor, now)']),
  mutant('events are marked published before they are', [
    'publish',
    'const refusals = await eventLog.append(batch)',
    'await store.events.markPublished(lease.lease, connection, batch.map(({ n }) => n))\nconst refusals = await eventLog.append(batch)',
  ]),
  aimed(
    { mode: 'cluster' },
    mutant('an append that failed counts as confirmed', ['publish', 'throw error', 'return []']),
  ),
  aimed(
    { mode: 'cluster' },
    mutant('what is committed for Kafka counts as published', [
      'insertEvents',
      "...(!published && { also: 'unpublished' })",
      '',
    ]),
  ),
  mutant('failed events are released before they are in the backlog', [
    'spillFailed',
    'const done = await writes.spill({ assignment: lane.assignment, events, nextAt, attempt })',
    'for (const { slot } of items) slot?.assignment.release(slot, owner.id)\nconst done = await writes.spill({ assignment: lane.assignment, events, nextAt, attempt })',
  ]),
  mutant('events that are open behind a slow one count as done', ['ahead', 'of slot.open)', 'of [])']),
  mutant('events that the former owner left open count as done', ['ahead', 'of coverage.open)', 'of [])']),
  mutant('spilled events are released before they are in the backlog', [
    'write',
    'await Promise.all(earlier)',
    'for (const { slot, id } of slots) slot.assignment.release(slot, id)\nslots.length = 0\nawait Promise.all(earlier)',
  ]),
  aimed(
    { mode: 'cluster', queueLimit: 1 },
    mutant('a delivery that keeps the offset back is dropped instead of spilled', [
      'spillUpTo',
      'spillLane(lane, batch)',
      'for (const { slot } of table.spill(lane, batch.written)) slot?.assignment.release(slot, owner.id)',
    ]),
  ),
  mutant('lane rows in the store are ignored', ['lookUp', 'of found)', 'of [])']),
  mutant('sequence numbers start anew with each observation', ['decide', 'known.sequence + index + 1', 'index + 1']),
  mutant('known facts are forgotten', ['newFacts', 'said: [...said],', 'said: facts.map(({ key }) => key),']),
  mutant('the digest is written before the events', [
    'derive',
    'const commit = store.orders.commit(lease, {',
    'await store.orders.commit(lease, { connection, orders: orders.map(order => ({ ...order, state: known.get(order.orderId)?.state ?? NEW_ORDER })), events: [], published: false, quarantine: [] })\nconst commit = store.orders.commit(lease, {',
  ]),
  mutant('events behind a failed one are not spilled', ['spillFailed', 'items.map(', 'items.slice(0, 1).map(']),
  aimed(
    COMEBACKS,
    mutant(
      'lanes of a revoked partition stay in memory',
      ['release', 'worker.dropClosed()', ''],
      [
        'finish',
        'map(worker => worker.spillAll(of))',
        'map(worker => (of.size < 0 ? worker.spillAll(of) : worker.writesDone()))',
      ],
    ),
  ),
  mutant('a failed event is tried again at once', ['fateOf', 'jittered(pause, random)', '(pause && 0)']),
  mutant('refunds are counted by records and by totals', ['basisOf', 'known.refundBasis !== null', 'false']),
  mutant('a gap is not stored', ['patchOf', '...(gaps.length > 0 && { gaps: { opened: gaps } }),', '']),
  mutant('refunds that wait for their record are not read again', [
    'waiting',
    'recheckAt }',
    'recheckAt: recheckAt && null }',
  ]),
  aimed(
    { ...LOOK_BACK, tooLarge: 0.9 },
    mutant(
      'halved windows leave a tick between them',
      ['halve', '{ from: middle, to },', '{ from: Math.min(middle + precisionMs, to), to },'],
      ['halve', '{ from, to: middle },', '{ from, to: middle - precisionMs / 2 },'],
    ),
  ),
  aimed(
    { ...LOOK_BACK, tooLarge: 0 },
    mutant(
      'rows that move while pages are read are not noticed',
      ['readOnce', 'if (missing > allowed || short) {', 'if (missing < 0 && short) {'],
      ['readOnce', "if (page.total !== null && page.total < most) return ended('drifted')", ''],
    ),
  ),
  mutant('dead letters are not kept', ['deadLetterHead', 'where id = ${eventId}`', 'where 1 = 0`']),
  mutant('a lane in memory is overtaken by its backlog', [
    'accept',
    "if (lane?.place === 'memory') spillLane(lane, batch) else if",
    'if',
  ]),
  mutant('a paused destination forgets what it has in memory', [
    'spillAll',
    'spillLane(lane, batch)',
    'table.remove(lane)',
  ]),
  aimed(
    { ...POLLS, wire: true },
    mutant('a window with rows without an id is not read again', ['noteUnnamed', 'if (sawUnnamed)', 'if (!window)']),
  ),
  mutant('quarantine is not cleared when a row can be read again', ['unread', "{ ...row, digest: '' }", 'row']),
  mutant('an empty lane keeps its row', [
    'dropEmptyLanes',
    'delete from lanes where',
    'delete from lanes where 1 = 0 and',
  ]),
  aimed(
    { mode: 'solo', processes: 1, partitions: 1, jumps: false, wildness: 1 },
    mutant('a retry whose write failed counts as written down', [
      'did',
      'await run() return true',
      'await run().catch(() => {})\nreturn true',
    ]),
  ),
  mutant('orders are derived without waiting for each other', [
    'createPageApplier',
    'await oneAtATime(() =>',
    'await (run => run())(() =>',
  ]),
  mutant('a gap is closed before it is read', [
    'backfill',
    'const halves = halve(gap, precisionMs)',
    'const halves = halve(gap, precisionMs)\nawait gaps.replace(gap, [])',
  ]),
  mutant('a full disk is ignored', [
    'transaction',
    'if (!(error instanceof AppError) ||',
    "if (error instanceof AppError && (error.code === 'store.full' || error.message.includes('53100'))) return undefined as never\nif (!(error instanceof AppError) ||",
  ]),
  aimed(
    { ...COMEBACKS, batch: 1, mostOrders: 2, wildness: 1 },
    mutant('a lookup of backlog rows misses rows that are added meanwhile', ['added', 'of lookups)', 'of [])']),
  ),
  mutant('the backlog is worked off newest first', ['head', 'sequence limit', 'sequence desc limit']),
  mutant('new events of a lane in the store stay in memory', ['accept', "lane.place === 'memory' :", 'true :']),
  mutant('a dead letter holds nothing back', ['deadLetterHead', 'held = 1,', 'held = 0,']),
  mutant('redriven letters are not queued', ['redrive', 'enqueue(part, entries,', 'enqueue(part, entries.slice(1),']),
  aimed(
    COMEBACKS,
    mutant('a replay does not wait for what is still in the log', [
      'queue',
      'await takenIn(through, [...partitions], ours)',
      'new Map()',
    ]),
  ),
  mutant('a new endpoint is sent to before its past is queued', ['opening', 'request.opening &&', 'false &&']),
  mutant('a replay is marked as queued before it is', [
    'queue',
    'if (filter && ours())',
    'for (const assignment of targets) await mark(request, assignment)\nif (filter && ours())',
  ]),
  aimed(
    BACK,
    mutant(
      'a log that ends below its position is waited for',
      ['startAt', 'offset > high)', 'offset > high + 1_000_000)'],
      // What is not there cannot be compared.
      ['startAt', 'anchor.offset < offset', 'anchor.offset < Math.min(offset, high)'],
    ),
  ),
  aimed(
    BACK,
    mutant('a new log that has grown beyond the old position counts as the same log', [
      'startAt',
      'known ? anchor',
      'false ? anchor',
    ]),
  ),
  mutant('a tracking number that comes later is ignored', ['trackingFacts', '!isStale &&', 'isStale &&']),
  mutant('the tracking number of the shipped event is not remembered', ['trackingFacts', '[...first, ...', '[...']),
  mutant('refund records that cannot be read count as none', [
    'completeRefunds',
    'if (options.signal.aborted) throw error',
    "if (options.signal.aborted) throw error\nfor (const { orderId } of open) found.set(orderId, 'unavailable')",
  ]),
  mutant("our clock is used in place of the vendor's", ['vendorNow', 'offset ?? 0', '0']),
  mutant('a cursor is not followed', ['afterCursor', 'hasMore === true', 'false']),
  mutant("a buyer's second page is not read", ['readUserPage', '{ total, pageSize', '{ total: 0, pageSize']),
  mutant(
    'encoded bodies are known by their order',
    ['createBodyBytes', 'new WeakMap<EventRecord, Buffer>()', 'new Map<string, Buffer>()'],
    ['createBodyBytes', 'known.get(event)', 'known.get(event.orderKey)'],
    ['createBodyBytes', 'known = new WeakMap()', 'known = new Map()'],
    ['createBodyBytes', 'known.set(event, bytes)', 'known.set(event.orderKey, bytes)'],
  ),
  mutant('a redirect counts as delivered', ['outcomeOf', '< 300)', '< 400)']),
  mutant('a delivery that timed out counts as delivered', [
    'outcomeOf',
    "'aborted' : 'retry'",
    "'aborted' : 'delivered'",
  ]),
  aimed(
    { mode: 'solo', processes: 1, partitions: 1, power: true },
    mutant('a page is committed without waiting for the disk', [
      'orderStore',
      'transaction }: Sql',
      'relaxed: transaction }: Sql',
    ]),
  ),
  aimed(
    REFUSALS,
    mutant('refused events count as published with the rest of their batch', ['publish', '!refused.has(id)', 'true']),
  ),
  aimed(
    REFUSALS,
    mutant('later events of an order are published although an earlier one was refused', [
      'publishNew',
      'heldBack.of(event) === null',
      'true',
    ]),
  ),
  aimed(
    { ...PRUNED, receivers: 3 },
    mutant('retention removes what waits for a destination', ['waitingAmong', 'open.map(', '[].map(']),
  ),
  aimed(
    { ...PRUNED, mode: 'solo', processes: 1, partitions: 1, queueLimit: 1000 },
    mutant('retention removes what the log has not handed over', ['unread', 'n <= ${', 'n >= 0 - ${']),
  ),
  aimed(
    { ...PRUNED, mode: 'cluster', processes: 1, partitions: 1 },
    mutant('a failed event that retention removed is not put back', [
      'spill',
      'await restoreEvents(',
      'if (false) await restoreEvents(',
    ]),
  ),
  aimed(
    { ...POLLS, firstDownMs: 120_000, past: 0, stormMs: 60_000, changeEveryMs: 700 },
    mutant('the first poll looks back from each try', ['firstSeen', 'known <= now', 'false']),
  ),
  aimed(
    { ...POLLS, dateOffMs: -10_800_000 },
    mutant('a window ends at the earlier of the clocks', ['fronts', 'Math.max(...clocks)', 'Math.min(...clocks)']),
  ),
  aimed(
    { ...POLLS, phantoms: 1, past: 6, stormMs: 30_000 },
    mutant('a total that never adds up is read again for ever', ['readPatiently', 'same + 1 :', '1 :']),
  ),
  aimed(
    { ...POLLS, cursed: 2, mostOrders: 8, stormMs: 45_000 },
    mutant('a tick that cannot be read is skipped', ['around', 'of found)', 'of [])']),
  ),
  aimed(
    { ...POLLS, cursed: 2, mostOrders: 8, stormMs: 45_000 },
    mutant('a page that cannot be read stops its connection', ['around', '!isSecond', 'true']),
  ),
  aimed(MOMENTS, mutant('a row stays known whatever is written for its order', ['forget', 'rows.delete(mark)', ''])),
]
