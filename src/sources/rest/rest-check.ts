import type { EventType } from '../../../schemas/order-event.ts'
import type { RestOptions } from '../../../schemas/vendor/rest.ts'
import type { RestPaths } from '../../../schemas/vendor/rest-path.ts'
import { emptyAsNull } from '../shared/parse.ts'
import type { Page } from '../source.ts'
import { createFinder } from './rest-paths.ts'

/** What `orderwire check` says of a described API: which facts it can never prove, and whether the description fits the rows there are. */

/** The facts that this description can prove, and those it cannot. */
function provableTypes({
  order,
}: Pick<RestOptions, 'order'>): Readonly<Record<'proves' | 'missing', readonly EventType[]>> {
  const { packages } = order
  const proven: Readonly<Record<EventType, boolean>> = {
    'order.paid': order.paid !== undefined,
    'order.shipped': packages !== undefined,
    'order.shipment_updated': packages?.id !== undefined && (packages.carrier ?? packages.trackingNumber) !== undefined,
    'order.delivered': (packages?.delivered ?? order.delivered) !== undefined,
    'order.refunded': (order.refunds ?? order.refunded) !== undefined,
    'order.cancelled': order.cancelled !== undefined,
  }
  const types = Object.keys(proven) as EventType[]
  return { proves: types.filter(type => proven[type]), missing: types.filter(type => !proven[type]) }
}

interface Sample {
  readonly connection: RestOptions
  readonly rows: readonly unknown[]
  readonly total: number | null
  readonly page: Page
}

export function describeSample({ connection, rows, total, page }: Sample): string {
  const { proves, missing } = provableTypes(connection)
  const found = page.orders.length + page.rejects.length
  return [
    `GET ${connection.list.path} answers; ${ordersText(total ?? found, total === null && found === connection.list.size.value)} changed within 30 days`,
    `proves ${proves.join(', ') || 'nothing'}`,
    ...(missing.length > 0 ? [`missing: ${missing.join(', ')} (nothing in the configuration proves them)`] : []),
    ...notUnderstood(page),
    ...neverFound(connection, rows),
  ].join('; ')
}

const ordersText = (count: number, orMore: boolean): string =>
  `${count}${orMore ? ' or more' : ''} ${count === 1 && !orMore ? 'order' : 'orders'}`

/** At most three, each path once. Values are left out: the command line is no place for them. */
function notUnderstood({ orders, rejects }: Page): readonly string[] {
  const doubts = [...rejects, ...orders.flatMap(({ doubts }) => doubts)]
  const byPath = new Map(doubts.map(({ path, reason }) => [path.replace(/\[\d+\]/g, '[]'), reason]))
  const shown = [...byPath].slice(0, 3).map(([path, reason]) => `${path || 'the row'} (${reason})`)
  return shown.length === 0 ? [] : [`not understood: ${shown.join(', ')}`]
}

/** Paths that lead nowhere in any row: a name is misspelt, perhaps. */
function neverFound({ order }: RestOptions, rows: readonly unknown[]): readonly string[] {
  if (rows.length === 0) return []
  const { number, currency, status, country, lines } = order
  const expected: readonly (readonly [key: string, paths: RestPaths | undefined])[] = [
    ['number', number],
    ['currency', typeof currency === 'object' && 'value' in currency ? undefined : currency],
    ['total', pathsOf(order.total)],
    ['placedAt', pathsOf(order.placedAt)],
    ['updatedAt', pathsOf(order.updatedAt)],
    ['status', status],
    ['country', country],
    ['lines.rows', lines?.request ? undefined : lines?.rows],
  ]
  const never = expected.flatMap(([key, paths]) => {
    if (paths === undefined) return []
    const find = createFinder(paths)
    return rows.some(row => emptyAsNull(find(row).value) !== null) ? [] : [`order.${key}`]
  })
  return never.length === 0 ? [] : [`no order has a value at ${never.join(', ')}`]
}

type Described = RestPaths | { readonly path: RestPaths } | undefined
const pathsOf = (field: Described): RestPaths | undefined =>
  typeof field === 'object' && 'path' in field ? field.path : field
