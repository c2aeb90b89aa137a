import type { Package } from '../../../schemas/order.ts'
import type { ShippedLine } from '../../../schemas/order-event.ts'
import { KakacloFulfillment, KakacloItem, KakacloTracking } from '../../../schemas/vendor/kakaclo.ts'
import { webAddress } from '../../lib/web-address.ts'
import { emptyAsNull } from '../shared/parse.ts'
import type { RowReader } from '../shared/row-reader.ts'

/** `preparing` and `cancelled` prove nothing. */
const STATUSES = ['preparing', 'cancelled', 'shipped', 'completed']

/** The packages of an order; several entries of one package (one for each leg of its way) are one. */
export function readKakacloPackages(read: RowReader, fulfillments: unknown): Package[] {
  const packages: Package[] = []
  for (const { path, item } of read.list('fulfillments', fulfillments, KakacloFulfillment)) {
    const parcel = readPackage(read, path, item)
    const same = packages.findIndex(({ packageId }) => packageId !== null && packageId === parcel.packageId)
    const first = packages[same]
    if (first) packages[same] = merged(first, parcel)
    else packages.push(parcel)
  }
  return packages
}

type Fulfillment = ReturnType<typeof KakacloFulfillment.parse>

function readPackage(read: RowReader, path: string, parcel: Fulfillment): Package {
  const [latest] = read.list(`${path}.trackingInfos`, parcel.trackingInfos, KakacloTracking)
  const packageId = read.id(`${path}.id`, emptyAsNull(parcel.id) ?? parcel.packId)
  const trackingNumber = read.text(
    `${path}.trackingCode`,
    emptyAsNull(parcel.trackingCode) ?? latest?.item.trackingCode,
  )
  const deliveryTime = read.time(`${path}.deliveryTime`, parcel.deliveryTime)
  const status = read.text(`${path}.status`, parcel.status)?.toLowerCase() ?? null
  const statusGiven = emptyAsNull(parcel.status) !== null
  if (status !== null && !STATUSES.includes(status))
    read.doubt(
      `${path}.status`,
      parcel.status,
      `expected one of ${STATUSES.join(', ')}; without it nothing is said of this package`,
    )
  const isShipped = statusGiven
    ? status === 'shipped' || status === 'completed'
    : deliveryTime !== null && trackingNumber !== null
  // Without any name a package could not be told from the next one, and would be said again when it gets one.
  const isIdDoubted = read.unreadable(`${path}.id`)
  const isNamed = !isIdDoubted && (packageId !== null || trackingNumber !== null)
  if (isShipped && !isNamed && !isIdDoubted)
    read.doubt(`${path}.id`, parcel.id, 'expected an id or a tracking number; without one the package is not said')
  return {
    packageId,
    carrier: read.text(`${path}.carrier`, emptyAsNull(parcel.carrier) ?? latest?.item.carrier),
    trackingNumber,
    trackingUrl: webAddress(read.text(`${path}.logisticsSearchUrl`, parcel.logisticsSearchUrl)),
    lines: readShippedLines(read, path, parcel),
    statusGiven,
    shipped:
      isShipped && isNamed ? { when: deliveryTime === null ? null : { at: deliveryTime, source: 'vendor' } } : null,
    // `deliveryTime` is when it left (see the schema): nothing says when it arrived.
    delivered: status === 'completed' && isNamed ? { when: null } : null,
  }
}

function readShippedLines(read: RowReader, path: string, parcel: Fulfillment): ShippedLine[] {
  const name = emptyAsNull(parcel.items) === null ? 'orderItems' : 'items'
  return read.list(`${path}.${name}`, parcel[name], KakacloItem).flatMap(({ path: at, item }) => {
    const id = read.id(`${at}.id`, item.id)
    return id === null ? [] : [{ id, quantity: read.quantity(`${at}.productNum`, item.productNum) }]
  })
}

function merged(first: Package, more: Package): Package {
  const known = new Set(first.lines.map(({ id }) => id))
  return {
    packageId: first.packageId,
    carrier: first.carrier ?? more.carrier,
    trackingNumber: first.trackingNumber ?? more.trackingNumber,
    trackingUrl: first.trackingUrl ?? more.trackingUrl,
    lines: [...first.lines, ...more.lines.filter(({ id }) => !known.has(id))],
    statusGiven: first.statusGiven || more.statusGiven,
    shipped: first.shipped ?? more.shipped,
    delivered: first.delivered ?? more.delivered,
  }
}
