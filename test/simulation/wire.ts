import type { Connection } from '../../schemas/config.ts'
import type { Connected } from '../../src/ingest/ingest.ts'
import type { Random } from '../../src/sandbox/random.ts'
import { createVendorHttp } from '../../src/sources/shared/http.ts'
import type { Log } from '../../src/telemetry/log.ts'
import { builtIn } from '../helpers/built-in.ts'
import { createNetwork, type WireAnswer, type WireRequest } from './network.ts'
import type { PortDeps } from './port.ts'
import type { Shop } from './shop.ts'
import type { Trace } from './trace.ts'
import { type WireDeps, type WireVendor, wireKakaclo, wireShoplazza, wireTuya } from './wire-vendors.ts'

/** A shop behind the real source of its vendor, on a simulated network. */
export function createWire(deps: {
  shop: Shop
  config: Connection
  random: Random
  trace: Trace
  pageSize: number
}): (port: PortDeps, log: Log) => Connected {
  const { shop, config, random, trace } = deps
  const { manners, date: dateOf } = shop
  const vendor = vendorOf(config, { ...deps, note: trace.note })

  function answer(request: WireRequest): WireAnswer {
    const date = new Date(dateOf()).toUTCString()
    const sent = trouble() ?? vendor(request)
    if (sent === 'not found') return { status: 404, headers: { date }, body: '{"message":"not found"}' }
    const headers = { date, ...sent.headers }
    if (!random.chance(manners.wrongPage / 4)) return { ...sent, headers }
    trace.note(`${shop.id}: the answer is cut`)
    const at = random.between(0, Math.max(0, sent.body.length - 1))
    // Somebody in between ends it, or just stops.
    return random.chance(0.5) ? { ...sent, headers, body: sent.body.slice(0, at) } : { ...sent, headers, breaksAt: at }
  }

  /** What is no answer of the API. */
  function trouble(): WireAnswer | null {
    if (manners.down) return { status: 500, headers: {}, body: 'down' }
    if (random.chance(manners.limited)) {
      const seconds = random.between(1, 30)
      const how = random.pick(['seconds', 'date', 'none'] as const)
      const value = how === 'seconds' ? String(seconds) : new Date(dateOf() + seconds * 1000).toUTCString()
      return { status: 429, headers: how === 'none' ? {} : { 'retry-after': value }, body: 'slow down' }
    }
    if (random.chance(manners.refused)) return { status: 401, headers: {}, body: '{}' }
    if (!random.chance(manners.wrongPage / 4)) return null
    const page = { headers: { 'content-type': 'text/html' }, body: '<html><body>Be right back</body></html>' }
    return { status: random.pick([200, 500, 502, 503] as const), ...page }
  }

  return (port, log) => {
    const { clock } = port.life
    const dispatcher = createNetwork(port, answer)
    const limit = config.rateLimit ?? { perSecond: 20, burst: 40 }
    const http = createVendorHttp({ connection: config.id, baseUrl: config.baseUrl, limit, clock, log, dispatcher })
    const source = builtIn(config.vendor).create({ connection: config, http, clock, log, shared: undefined })
    return {
      config,
      source,
      vendorNow: async signal => {
        if (!http.offsetKnown) await source.check({ signal, priority: 'live' })
        return http.vendorNow()
      },
    }
  }
}

function vendorOf(config: Connection, deps: WireDeps): WireVendor {
  if (config.vendor === 'kakaclo') return wireKakaclo(deps)
  if (config.vendor === 'tuya') return wireTuya(deps)
  return wireShoplazza({ ...deps, family: config.baseUrl.endsWith('2025-06') ? '2025-06' : '2022-01' })
}
