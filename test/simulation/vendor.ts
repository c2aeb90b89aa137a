import { Connection } from '../../schemas/config.ts'
import type { Connected } from '../../src/ingest/ingest.ts'
import type { Random } from '../../src/sandbox/random.ts'
import type { Log } from '../../src/telemetry/log.ts'
import { createDirect } from './direct.ts'
import type { Plan } from './plan.ts'
import type { PortDeps } from './port.ts'
import { createShop, type Shop, type VendorKind } from './shop.ts'
import type { Time } from './time.ts'
import type { Trace } from './trace.ts'
import { createWire } from './wire.ts'

/** A shop and the way to it. */
export interface Vendor extends Shop {
  readonly vendor: Connection['vendor']
  connect(port: PortDeps, log: Log): Connected
}

export function createVendor(deps: {
  number: number
  kind: VendorKind
  plan: Plan
  time: Time
  random: Random
  trace: Trace
  changed: (connection: string, orderId: string) => void
}): Vendor {
  const { number, kind, plan, time, random, trace } = deps
  const { pageSize, mostOrders, lagMs, overlapMs, slowRecords, dateOffMs, phantoms, cursed } = plan
  const id = `v${number}`
  const config = configOf(id, kind, plan, random.chance(0.5) ? '2022-01' : '2025-06')
  const illegibleMs = 600_000
  const changed = (orderId: string) => deps.changed(id, orderId)
  const shop = createShop({
    ...{ id, kind, number, time, random, trace, changed },
    ...{ mostOrders, lagMs, overlapMs, slowRecords, illegibleMs, dateOffMs, phantoms, cursed, silent: plan.silent },
  })
  const connect = (plan.wire ? createWire : createDirect)({ shop, config, random, trace, pageSize })
  return {
    ...shop,
    get restlessUntil() {
      return shop.restlessUntil
    },
    vendor: config.vendor,
    connect: (port, log) => connect({ ...port, name: id, weather: shop.manners, remote: true, code: 'vendor' }, log),
  }
}

function configOf(id: string, kind: VendorKind, plan: Plan, family: string): Connection {
  const { pollEveryMs, overlapMs, firstDownMs, silent } = plan
  const baseUrl = 'https://vendor.example'
  const shared = {
    id,
    baseUrl,
    pollEvery: `${pollEveryMs}ms`,
    overlap: `${overlapMs}ms`,
    ...(firstDownMs === 0 && { backfill: '40m' }),
    // Where polls show everything, nothing else may find what they miss.
    reconcile: silent ? { every: '3m', lookBack: '2h' } : (false as const),
  }
  const limit = { rateLimit: { perSecond: 20, burst: 40 } }
  if (kind === 'pages')
    return Connection.parse({ ...shared, ...limit, vendor: 'kakaclo', apiVersion: 'v2', token: 't' })
  if (kind === 'cursor') {
    const versioned = `${baseUrl}/openapi/${family}`
    return Connection.parse({ ...shared, ...limit, vendor: 'shoplazza', baseUrl: versioned, accessToken: 't' })
  }
  const keys = { clientId: 'c', clientSecret: 's', mallCode: 'm', shopCode: 's' }
  return Connection.parse({ ...shared, ...limit, ...keys, vendor: 'tuya', statuses: { delivered: ['received'] } })
}
