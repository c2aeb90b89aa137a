import type { Plan } from './plan.ts'

/** Deliberate defects, each of which the simulation must notice. The text replaced has to be there exactly once. */
export interface Mutant {
  readonly name: string
  /** Below `src/`. */
  readonly file: string
  readonly edits: readonly { readonly from: string; readonly to: string }[]
  /** The storm that is aimed at it, where it shows in few others. */
  readonly plan?: Partial<Plan>
}

const mutant = (name: string, file: string, ...edits: [from: string, to: string][]): Mutant => ({
  name,
  file,
  edits: edits.map(([from, to]) => ({ from, to })),
})

const aimed = (plan: Partial<Plan>, one: Mutant): Mutant => ({ ...one, plan })

/** A long past on many pages, while much changes. */
const LOOK_BACK: Partial<Plan> = {
  vendors: ['pages'],
  wire: false,
  pageSize: 1,
  past: 25,
  announces: false,
  changeEveryMs: 700,
}
/** A log that goes back while much is published to it. */
const BACK: Partial<Plan> = {
  mode: 'cluster',
  processes: 2,
  partitions: 1,
  stormMs: 45_000,
  announces: true,
  changeEveryMs: 700,
  strikeEveryMs: 1_500,
  mostOrders: 8,
  jumps: false,
}
/** The polls of one vendor that counts its rows, with the shortest overlap, and nothing else that could tell its orders. */
const POLLS: Partial<Plan> = {
  vendors: ['pages'],
  wire: false,
  lagMs: 4_000,
  overlapMs: 29_000,
  announces: false,
  jumps: false,
  firstDownMs: 0,
  dateOffMs: 0,
  phantoms: 0,
  cursed: 0,
}
const COMEBACKS: Partial<Plan> = {
  mode: 'cluster',
  processes: 2,
  partitions: 2,
  receivers: 5,
  stormMs: 45_000,
  announces: true,
  changeEveryMs: 700,
  jumps: false,
}

/** A log that refuses partitions and records, while much is published. */
const REFUSALS: Partial<Plan> = {
  mode: 'cluster',
  processes: 1,
  partitions: 2,
  changeEveryMs: 700,
  strikeEveryMs: 1_500,
}
/** Events are old as soon as they are told, and endpoints pause, so that much waits. */
const PRUNED: Partial<Plan> = {
  retentionMs: 4_000,
  power: false,
  jumps: false,
  stormMs: 60_000,
  changeEveryMs: 700,
  strikeEveryMs: 1_500,
}
/** Changes that leave the update time alone, announced by nobody. */
const SILENT: Partial<Plan> = {
  vendors: ['pages'],
  silent: true,
  announces: false,
  jumps: false,
  changeEveryMs: 700,
  stormMs: 45_000,
}

/** Known rows over the wire that are not understood for a moment without having changed, which the vendor announces. */
const MOMENTS: Partial<Plan> = {
  mode: 'solo',
  processes: 1,
  partitions: 1,
  vendors: ['pages'],
  wire: true,
  pageSize: 10,
  announces: true,
  jumps: false,
  silent: false,
  cursed: 0,
  phantoms: 0,
  dateOffMs: 0,
  firstDownMs: 0,
  past: 6,
  mostOrders: 3,
  lagMs: 60_000,
  overlapMs: 85_000,
  pollEveryMs: 10_000,
  changeEveryMs: 5_000,
  strikeEveryMs: 8_000,
  mishapEvery: 0,
  wildness: 0.2,
  stormMs: 90_000,
  // A process that ends, and a poll that fails, forget all rows.
  without: [
    'crash',
    'stop',
    'power',
    'freeze',
    'comeback',
    'aim',
    'jump',
    'rebalance',
    'refusal',
    'evict',
    'back',
    'republish',
    'weather',
    'manners',
    'outage',
    'disk',
    'burst',
    'pause',
    'replay',
    'opening',
    'removal',
    'redrive',
  ],
}

export const MUTANTS: readonly Mutant[] = [
  aimed(
    SILENT,
    mutant('a reconciliation publishes nothing', 'ingest/reconcile.ts', [
      'applyPage(lease, { ...page, orders: ours }, options)',
      'applyPage(lease, { ...page, orders: ours.slice(ours.length) }, options)',
    ]),
  ),
  mutant('writes are not checked against the epoch', 'store/sql/leases.ts', [
    'if (rows.length === 0)',
    'if (Date.now() < 0)',
  ]),
  mutant('a position is settled before it is delivered', 'dispatch/assignment.ts', [
    'const position = oldest ? oldest.before : taken',
    'const position = taken',
  ]),
  mutant('the cursor moves before the rows are stored', 'ingest/poll.ts', [
    'const gaps = await readFronts(',
    'if (lease) await target.store.connections.update(lease, target.connection, { cursor: Math.max(plan.now, target.clock.now()) })\n  const gaps = await readFronts(',
  ]),
  mutant('polls do not overlap', 'ingest/window.ts', ['Math.min(cursor, now) - overlapMs', 'Math.min(cursor, now)']),
  mutant('events are marked published before they are', 'ingest/outbox.ts', [
    'const refusals = await eventLog.append(batch)',
    'await store.events.markPublished(lease.lease, batch.map(({ n }) => n), clock.now())\n    const refusals = await eventLog.append(batch)',
  ]),
  mutant('events set aside are settled before they are written', 'dispatch/lane-outcomes.ts', [
    'const done = await writes.spill({ events, nextAt, attempt })',
    'for (const { slot } of items) slot?.assignment.release(slot, owner.id)\n    const done = await writes.spill({ events, nextAt, attempt })',
  ]),
  mutant('what is open behind a slow event is taken for done', 'dispatch/assignment.ts', [
    'for (const id of slot.open) open.get(id)?.add(slot.position)',
    '',
  ]),
  mutant('what the former owner left open is taken for done', 'dispatch/assignment.ts', [
    'for (const position of coverage.open) if (position > read) open.get(id)?.add(position)',
    'void coverage',
  ]),
  mutant('spilled events are settled before they are written', 'dispatch/spill.ts', [
    'await Promise.all(earlier)',
    'for (const { slot, id } of slots) slot.assignment.release(slot, id)\n    slots.length = 0\n    await Promise.all(earlier)',
  ]),
  mutant('lane rows in the store are ignored', 'dispatch/known-rows.ts', [
    'for (const orderKey of found) lookup.rows.add(orderKey)',
    '',
  ]),
  mutant('sequence numbers start anew with each observation', 'order/decide.ts', [
    'known.sequence + index + 1',
    'index + 1',
  ]),
  mutant('what was said is forgotten', 'order/facts.ts', ['said: [...said],', 'said: facts.map(({ key }) => key),']),
  mutant('the digest is written before the events', 'ingest/apply-page.ts', [
    'const commit = store.orders.commit(lease, {\n      connection,\n      // A',
    'await store.orders.commit(lease, { connection, orders: orders.map(order => ({ ...order, state: known.get(order.orderId)?.state ?? NEW_ORDER })), events: [], publishedAt: null, quarantine: [] })\n    const commit = store.orders.commit(lease, {\n      connection,\n      // A',
  ]),
  mutant('events behind a failing one are not set aside', 'dispatch/lane-outcomes.ts', [
    'const events = items.map(entry => entry.event)',
    'const events = items.slice(0, 1).map(entry => entry.event)',
  ]),
  aimed(
    COMEBACKS,
    mutant(
      'lanes of a revoked partition stay in memory',
      'dispatch/session.ts',
      ['      worker.dropClosed()\n', ''],
      [
        'map(worker => worker.spillAll(of))',
        'map(worker => (of.size < 0 ? worker.spillAll(of) : worker.writesDone()))',
      ],
    ),
  ),
  mutant('a failed event is tried again at once', 'dispatch/attempt.ts', ['jittered(pause, random)', '(pause && 0)']),
  mutant('refunds are told by records and by totals', 'order/refunds.ts', [
    'if (known.refundBasis !== null) return known.refundBasis\n',
    '',
  ]),
  mutant('a gap is not written down', 'ingest/poll.ts', ['...(gaps.length > 0 && { gaps: { opened: gaps } }),', '']),
  mutant('refunds that wait for their record are not read again', 'order/refunds.ts', [
    'return { ...result, state, notes: [...result.notes, ...notes], recheckAt }',
    'return { ...result, state, notes: [...result.notes, ...notes], recheckAt: recheckAt && null }',
  ]),
  aimed(
    { ...LOOK_BACK, tooLarge: 0.9 },
    mutant(
      'halved windows leave a tick between them',
      'ingest/window.ts',
      ['{ from: middle, to },', '{ from: Math.min(middle + precisionMs, to), to },'],
      ['{ from, to: middle },', '{ from, to: middle - precisionMs / 2 },'],
    ),
  ),
  aimed(
    { ...LOOK_BACK, tooLarge: 0 },
    mutant(
      'rows that move while pages are read are not noticed',
      'ingest/read-window.ts',
      ['if (missing > allowed || short) {', 'if (missing < 0 && short) {'],
      ["if (page.total !== null && page.total < most) return ended('drifted')", ''],
    ),
  ),
  mutant('dead letters are not kept', 'store/sql/insert-dead-letter.ts', [
    'from events where id = ${eventId}`',
    'from events where id = ${eventId} and 1 = 0`',
  ]),
  mutant('a lane in memory is overtaken by what is set aside', 'dispatch/lanes.ts', [
    "if (lane?.place === 'memory') spillLane(lane, batch)\n      else if",
    'if',
  ]),
  mutant('a paused destination forgets what it has in memory', 'dispatch/lanes.ts', [
    "if (lane.place === 'memory') spillLane(lane, batch)",
    "if (lane.place === 'memory') table.remove(lane)",
  ]),
  mutant('quarantine is not cleared when a row can be read again', 'ingest/apply-page.ts', [
    "row ? [{ ...row, digest: '' }] : []",
    'row ? [row] : []',
  ]),
  mutant('an empty lane keeps its row', 'store/sql/backlog.ts', [
    'if (lanes.length === 0) return\n  await sql`\n    delete from lanes',
    'if (lanes.length >= 0) return\n  await sql`\n    delete from lanes',
  ]),
  mutant('a failed write of acknowledgements is taken for done', 'dispatch/persist.ts', [
    'await run()\n      return true',
    'await run().catch(() => {})\n      return true',
  ]),
  mutant('orders are derived without waiting for each other', 'ingest/apply-page.ts', [
    'await oneAtATime(() => derive(lease, { complete, rejects, listed }, options))',
    'await derive(lease, { complete, rejects, listed }, options)',
  ]),
  mutant('a gap is closed before it is read', 'ingest/backfill.ts', [
    'const halves = halve(gap, precisionMs)',
    'const halves = halve(gap, precisionMs)\n    await gaps.replace(gap, [])',
  ]),
  mutant('a full disk is passed over', 'store/sql/sql.ts', [
    'if (!(error instanceof AppError) ||',
    "if (error instanceof AppError && (error.code === 'store.full' || error.message.includes('53100'))) return undefined as never\n        if (!(error instanceof AppError) ||",
  ]),
  aimed(
    { ...COMEBACKS, batch: 1, mostOrders: 2, wildness: 1 },
    mutant('a question does not hear of rows that come meanwhile', 'dispatch/known-rows.ts', [
      'for (const { rows } of lookups) rows.add(orderKey)',
      '',
    ]),
  ),
  mutant('the backlog is worked off newest first', 'store/sql/lanes.ts', [
    'order by backlog.sequence limit',
    'order by backlog.sequence desc limit',
  ]),
  mutant('new events of a lane in the store stay in memory', 'dispatch/lanes.ts', [
    "lane ? lane.place === 'memory' : !inStore",
    'lane ? true : !inStore',
  ]),
  mutant('a dead letter holds nothing back', 'store/sql/insert-dead-letter.ts', [
    'update lanes set held = 1,',
    'update lanes set held = 0,',
  ]),
  mutant('redriven letters are not queued', 'store/sql/dead-letters.ts', [
    'enqueue(part, entries, { nextAt: now, attempt: 0 })',
    'enqueue(part, entries.slice(1), { nextAt: now, attempt: 0 })',
  ]),
  aimed(
    COMEBACKS,
    mutant('a replay does not wait for what is still in the log', 'dispatch/replays.ts', [
      'const later = through === null ? null : await takenIn(through, [...partitions], ours)',
      'const later = new Map<string, number>()',
    ]),
  ),
  mutant('a new endpoint is sent to before its past is queued', 'dispatch/replays.ts', [
    'return requests.some(request => request.opening && missing(request).length > 0)',
    'return requests.length < 0',
  ]),
  mutant('a replay is marked as queued before it is', 'dispatch/replays.ts', [
    'if (filter && ours())',
    'for (const assignment of targets) await mark(request, assignment)\n    if (filter && ours())',
  ]),
  aimed(
    BACK,
    mutant('a log that ends below its position is waited for', 'event-log/kafka/position.ts', [
      'if (offset > high) return',
      'if (offset > high + 1_000_000) return',
    ]),
  ),
  aimed(
    BACK,
    mutant(
      'a log that has grown beyond its position is taken for the one that was read',
      'event-log/kafka/position.ts',
      ['expected: known ? anchor : null', 'expected: known && anchor.offset < 0 ? anchor : null'],
    ),
  ),
  mutant('a tracking number that comes later is passed over', 'order/tracking.ts', [
    '} else if (!isStale &&',
    '} else if (isStale &&',
  ]),
  mutant('the tracking number of the shipped event is not remembered', 'order/tracking.ts', [
    'const published = [...first, ...',
    'const published = [...',
  ]),
  mutant('refund records that cannot be read are taken for none', 'sources/shoplazza/shoplazza-refunds.ts', [
    'if (options.signal.aborted) throw error\n',
    "if (options.signal.aborted) throw error\n    for (const { orderId } of open) found.set(orderId, 'unavailable')\n",
  ]),
  mutant("the vendor's clock is taken for ours", 'sources/shared/http.ts', [
    'vendorNow: () => clock.now() + (offset ?? 0)',
    'vendorNow: () => clock.now() + (offset ?? 0) * 0',
  ]),
  mutant('a cursor is not followed', 'sources/shoplazza/shoplazza.ts', [
    'token !== null && count > 0 : hasMore === true',
    'token !== null && count > 0 : false',
  ]),
  mutant("a buyer's second page is not read", 'sources/tuya/tuya.ts', [
    'next: nextPage(at, read, { total, pageSize: PAGE_SIZE })',
    'next: nextPage(at, read, { total: 0, pageSize: PAGE_SIZE })',
  ]),
  mutant('a redirect counts as delivered', 'destinations/webhooks/deliver.ts', [
    'if (statusCode < 300) return',
    'if (statusCode < 400) return',
  ]),
  mutant('a delivery that timed out counts as delivered', 'destinations/webhooks/deliver.ts', [
    "answer.kind === 'aborted' ? 'aborted' : 'retry'",
    "answer.kind === 'aborted' ? 'aborted' : 'delivered'",
  ]),
  aimed(
    { mode: 'solo', processes: 1, partitions: 1, power: true },
    mutant('a page is committed without waiting for the disk', 'store/sql/orders.ts', [
      'export function orderStore({ db, dialect, transaction }: Sql)',
      'export function orderStore({ db, dialect, relaxed: transaction }: Sql)',
    ]),
  ),
  aimed(
    REFUSALS,
    mutant('what the log refused counts as published with the rest of its batch', 'ingest/outbox.ts', [
      'batch.filter(({ id }) => !refused.has(id)).map',
      'batch.map',
    ]),
  ),
  aimed(
    REFUSALS,
    mutant('later events of an order are published although an earlier one was refused', 'ingest/outbox.ts', [
      'return !hold\n',
      'return true\n',
    ]),
  ),
  aimed(
    REFUSALS,
    mutant('a hold is released although events were passed over for it meanwhile', 'ingest/outbox.ts', [
      'if (after >= reached) heldBack.release(hold)',
      'heldBack.release(hold)',
    ]),
  ),
  aimed(
    { ...PRUNED, receivers: 3 },
    mutant('retention removes what waits for a destination', 'store/sql/prune.ts', [
      'return new Set(open.map(({ event_id }) => event_id))',
      'return new Set(open.slice(open.length).map(({ event_id }) => event_id))',
    ]),
  ),
  aimed(
    { ...PRUNED, mode: 'solo', processes: 1, partitions: 1, queueLimit: 1000 },
    mutant('retention removes what the log has not handed over', 'store/sql/prune.ts', [
      'return sql`and n <= ${rows[0]?.position ?? 0}`',
      'return sql`and n >= ${rows.length - 1}`',
    ]),
  ),
  aimed(
    { ...PRUNED, mode: 'cluster', processes: 1, partitions: 1 },
    mutant('what the history has no more is not put back when it fails', 'store/sql/lanes.ts', [
      'await restoreEvents(',
      'if (wanted.length > 1e6) await restoreEvents(',
    ]),
  ),
  aimed(
    { ...POLLS, firstDownMs: 120_000, past: 0, stormMs: 60_000, changeEveryMs: 700 },
    mutant('the first look back begins with each try', 'ingest/poll.ts', [
      'if (known !== null && known <= now) return known\n',
      '',
    ]),
  ),
  aimed(
    { ...POLLS, dateOffMs: -10_800_000 },
    mutant('a window ends at the earlier of the clocks', 'ingest/window.ts', [
      '[Math.min(...clocks), Math.max(...clocks)]',
      '[Math.min(...clocks), Math.min(...clocks)]',
    ]),
  ),
  aimed(
    { ...POLLS, phantoms: 1, past: 6, stormMs: 30_000 },
    mutant('a total that never adds up is read again for ever', 'ingest/read-window.ts', [
      'same = answer !== null && answer === before?.answer ? same + 1 : 1',
      'same = 1',
    ]),
  ),
  aimed(
    { ...POLLS, cursed: 2, mostOrders: 8, stormMs: 45_000 },
    mutant('a tick that cannot be read is passed over', 'ingest/window-reader.ts', [
      'for (const one of found) await quarantineSpan(lease, one.window, one.error)',
      '',
    ]),
  ),
  aimed(
    { ...POLLS, cursed: 2, mostOrders: 8, stormMs: 45_000 },
    mutant('a page that cannot be read stops its connection', 'ingest/window-reader.ts', [
      'if (!isSecond) throw error',
      'if (isSecond || !isSecond) throw error',
    ]),
  ),
  aimed(
    MOMENTS,
    mutant('a row stays known whatever is written for its order', 'ingest/row-memory.ts', [
      '    byOrder.delete(orderId)\n    rows.delete(mark)',
      '    byOrder.delete(orderId)',
    ]),
  ),
  aimed(
    MOMENTS,
    mutant('a row is known by how long it is', 'sources/shared/skip-known.ts', [
      "mark: hash('sha1', text.slice(at, at + length), 'base64'),",
      "mark: hash('sha1', `${text.slice(at, at + 40)}${length}`, 'base64'),",
    ]),
  ),
]
