import type { OrderSnapshot, RefundRecord, RefundView, When } from '../../../schemas/order.ts'
import { SHOPLAZZA_REFUND_STATUSES, ShoplazzaPayout, ShoplazzaRefundRecord } from '../../../schemas/vendor/shoplazza.ts'
import { emptyAsNull, idText, textOf } from '../shared/parse.ts'
import { assertPageful } from '../shared/read-rows.ts'
import { readReason } from '../shared/reason.ts'
import { createReader, type RowReader } from '../shared/row-reader.ts'
import type { ReadOptions } from '../source.ts'
import type { ShoplazzaApi } from './shoplazza-api.ts'

/** The vendor takes no more order ids at once. */
const IDS_PER_REQUEST = 10
/** 2022-01 allows no more; the later versions allow more, and need not. */
const RECORDS_PER_PAGE = 100
/** A thousand records of ten orders: beyond it something is wrong with the paging. */
const MOST_PAGES = 10

/** What the endpoint is to us: rows of records, or nothing to be had there. */
type Records = readonly ShoplazzaRefundRecord[] | 'unavailable'

/** No such endpoint for us, or no permission: nothing will come from there. */
const UNAVAILABLE = [403, 404, 405]
/** The request is not understood; one for a single order may be. */
const NOT_UNDERSTOOD = [400, 406, 410, 422]

/**
 * Reads the refund records behind orders that show a refund. Trouble (429, 5xx, network) leaves an order as it is, so that it is asked
 * again later; it never fails what it is called for. Rejects only when it is called off.
 */
export async function completeRefunds(
  api: ShoplazzaApi,
  snapshots: readonly OrderSnapshot[],
  options: ReadOptions,
): Promise<readonly OrderSnapshot[]> {
  const open = snapshots.filter(({ refund }) => refund?.records === 'delayed')
  const found = new Map<string, Records>()
  try {
    for (let at = 0; at < open.length; at += IDS_PER_REQUEST) {
      const ids = open.slice(at, at + IDS_PER_REQUEST).map(({ orderId }) => orderId)
      for (const [orderId, records] of await readBatch(api, ids, options)) found.set(orderId, records)
    }
  } catch (error) {
    // Whatever it was will pass or show itself in the feed as well; the refunds that are left wait for the next time.
    if (options.signal.aborted) throw error
  }
  return snapshots.map(snapshot => {
    const records = found.get(snapshot.orderId)
    return records === undefined || snapshot.refund === null
      ? snapshot
      : withRecords(snapshot, snapshot.refund, records)
  })
}

async function readBatch(
  api: ShoplazzaApi,
  ids: readonly string[],
  options: ReadOptions,
): Promise<ReadonlyMap<string, Records>> {
  const listed = await readListed(api, ids, options)
  if (listed === 'forbidden') return new Map(ids.map(id => [id, 'unavailable']))
  if (listed !== 'unusable') return new Map(ids.map(id => [id, listed.filter(({ order_id }) => idOf(order_id) === id)]))
  const found = new Map<string, Records>()
  for (const id of ids) found.set(id, await readOfOrder(api, id, options))
  return found
}

const idOf = (value: unknown): string | null => {
  const id = idText(value)
  return id.state === 'given' ? id.value : null
}

/**
 * The records of several orders. `unusable`: there is no such list, it does not understand us, or it answered with records of other
 * orders or of none (parameters that are not known are ignored without a word): then each order is asked for itself.
 */
async function readListed(
  api: ShoplazzaApi,
  ids: readonly string[],
  { signal, priority }: ReadOptions,
): Promise<readonly ShoplazzaRefundRecord[] | 'forbidden' | 'unusable'> {
  const records: ShoplazzaRefundRecord[] = []
  let cursor: string | null = null
  for (let page = 1; page <= MOST_PAGES; page += 1) {
    const query = api.newer
      ? { order_ids: ids, page_size: RECORDS_PER_PAGE, cursor }
      : { order_ids: ids.join(','), page, per_page: RECORDS_PER_PAGE }
    const accept = [...UNAVAILABLE, ...NOT_UNDERSTOOD]
    const answer = await api.get('/orders/refund_records', { signal, priority, query, accept })
    if (answer.status === 403) return 'forbidden'
    if (answer.status >= 400) return 'unusable'
    const rows = recordRows(answer.body.records)
    if (rows.some(({ order_id }) => !ids.includes(idOf(order_id) ?? ''))) return 'unusable'
    records.push(...rows)
    const next = api.newer ? nextCursor(answer.body) : rows.length < RECORDS_PER_PAGE ? null : String(page + 1)
    if (next === null) return records
    if (next === cursor) return 'unusable'
    cursor = next
  }
  return 'unusable'
}

function nextCursor({ has_more, cursor }: Record<string, unknown>): string | null {
  const next = textOf(cursor)
  return has_more === true && next.state === 'given' ? next.value : null
}

/** The records of one order: whose they are is said by the path. */
async function readOfOrder(api: ShoplazzaApi, id: string, { signal, priority }: ReadOptions): Promise<Records> {
  const accept = [...UNAVAILABLE, ...NOT_UNDERSTOOD]
  const path = `/orders/${encodeURIComponent(id)}/refund`
  const answer = await api.get(path, { signal, priority, accept, label: '/orders/{id}/refund' })
  if (UNAVAILABLE.includes(answer.status)) return 'unavailable'
  return answer.status >= 400 ? [] : recordRows(answer.body.records)
}

function recordRows(rows: unknown): readonly ShoplazzaRefundRecord[] {
  const all: readonly unknown[] = Array.isArray(rows) ? rows : []
  assertPageful(all)
  return all.flatMap(row => {
    const record = ShoplazzaRefundRecord.safeParse(row)
    return record.success ? [record.data] : []
  })
}

function withRecords(snapshot: OrderSnapshot, refund: RefundView, records: Records): OrderSnapshot {
  if (records === 'unavailable') return { ...snapshot, refund: { ...refund, records } }
  const read = createReader()
  const finished = new Map<string, RefundRecord>()
  for (const record of records) {
    const one = readRecord(read, record, snapshot.currency)
    if (one !== null) finished.set(one.refundId, one)
  }
  const ordered = [...finished.values()].sort((a, b) => timeOf(a) - timeOf(b))
  return {
    ...snapshot,
    refund: { ...refund, records: ordered },
    doubts: [...snapshot.doubts, ...read.doubts],
  }
}

/** Sorts oldest first, so that totals grow in the order the money went; one without a time comes last. */
const timeOf = ({ when }: RefundRecord): number => (when ? Date.parse(when.at) : Number.MAX_VALUE)

/** A finished refund; null: it is pending, it failed (case 32), or what became of it cannot be read. */
function readRecord(read: RowReader, record: ShoplazzaRefundRecord, orderCurrency: string | null): RefundRecord | null {
  const refundId = read.id('refund_records.id', record.id)
  const path = `refund_records[${refundId ?? '?'}]`
  const field = emptyAsNull(record.refund_status) === null ? 'status' : 'refund_status'
  const status = read.text(`${path}.${field}`, record[field])?.toLowerCase() ?? null
  if (status !== null && !SHOPLAZZA_REFUND_STATUSES.some(known => known === status))
    read.doubt(
      `${path}.${field}`,
      record[field],
      `expected one of ${SHOPLAZZA_REFUND_STATUSES.join(', ')}; without it this refund waits`,
    )
  if (status !== 'finished') return null
  if (refundId === null) {
    read.doubt(path, record.id, 'expected a finished refund with an id; it cannot be told from others and waits')
    return null
  }
  const currency =
    emptyAsNull(record.currency) === null ? orderCurrency : read.currency(`${path}.currency`, record.currency)
  return {
    refundId,
    amount: read.amount(`${path}.refund_price`, record.refund_price, currency),
    currency,
    reason:
      readReason(read, `${path}.reason`, record.refund_reason) ?? readReason(read, `${path}.reason`, record.reason),
    when: finishedAt(read, path, record),
  }
}

/** When the last part of the money had gone back; else the record's own end; else its last change. */
function finishedAt(read: RowReader, path: string, record: ShoplazzaRefundRecord): When {
  const parts = read
    .list(`${path}.payment_details`, record.payment_details, ShoplazzaPayout)
    .flatMap(({ path: at, item }) => read.time(`${at}.finished_at`, item.finished_at) ?? [])
  const last = parts.sort().at(-1) ?? read.time(`${path}.finished_at`, record.finished_at)
  if (last !== null && last !== undefined) return { at: last, source: 'vendor' }
  const updated = read.time(`${path}.updated_at`, record.updated_at)
  return updated === null ? null : { at: updated, source: 'updated' }
}
