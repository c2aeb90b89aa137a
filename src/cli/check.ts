import { Ready } from '../../schemas/api.ts'
import { deliveryOf } from '../../schemas/config.ts'
import { connectAll, openHandlers, openLog, openStore, simulated } from '../app.ts'
import type { LoadedConfig } from '../config/config-file.ts'
import type { Settings } from '../config/environment.ts'
import { clockWords, noteworthy } from '../ingest/vendor-clock.ts'
import { systemClock } from '../lib/clock.ts'
import { AppError, messageOf } from '../lib/errors.ts'
import { createLog } from '../telemetry/log.ts'
import { createMetrics } from '../telemetry/metrics.ts'
import { findServer } from './client.ts'
import type { Output } from './output.ts'

const PATIENCE_MS = 15_000

/** Reaches everything the configuration names, one line each; rejects if anything failed. */
export async function check(options: {
  loaded: LoadedConfig
  settings: Settings
  output: Output
  signal: AbortSignal
}): Promise<void> {
  const { loaded, settings, output, signal } = options
  const clock = systemClock()
  const log = await createLog({ level: 'silent', format: 'json', stream: process.stderr })
  const metrics = createMetrics()
  let failed = 0

  const line = (what: string, ok: boolean, detail: string) => {
    if (!ok) failed++
    output.item({ check: what, ok, detail }, `${ok ? 'ok    ' : 'FAILED'}  ${what}: ${detail}`)
  }
  /** Why it failed; null: it did not. */
  const attempt = async (what: string, run: (signal: AbortSignal) => Promise<string>): Promise<unknown> => {
    const patience = AbortSignal.any([signal, AbortSignal.timeout(PATIENCE_MS)])
    try {
      line(what, true, await run(patience))
      return null
    } catch (error) {
      const late = patience.aborted && !signal.aborted
      line(what, false, late ? `no answer within ${PATIENCE_MS / 1000} s` : messageOf(error))
      return error
    }
  }

  line('configuration', true, loaded.path)
  const unfit = await attempt('handlers', async () => {
    const handlers = await openHandlers(loaded, { delivery: deliveryOf(loaded.config.delivery), clock, log })
    return handlers.map(({ id }) => id).join(', ') || 'none'
  })
  const simulation = await simulated(loaded.config, clock, log)
  const { config } = simulation
  const proxy = loaded.proxies.vendors
  try {
    for (const { config: connection, source, vendorNow, close } of connectAll({ config, clock, log, proxy })) {
      const name = `connection ${connection.id} (${connection.vendor})`
      if (!connection.enabled) {
        line(name, true, 'not enabled')
        continue
      }
      await attempt(name, async patience => {
        const answered = await source.check({ signal: patience, priority: 'live' })
        const aheadMs = noteworthy((await vendorNow(patience)) - clock.now())
        return aheadMs === null ? answered : `${answered}. ${clockWords(aheadMs)}`
      })
      await close()
    }
    const server = await findServer(settings)
    if (server) {
      await attempt('server', async () => {
        server.read(Ready, await server.call('GET', '/readyz'))
        return `runs at ${server.target}, with its store and event log`
      })
    } else {
      await attempt('store', async () => {
        const store = await openStore(settings, clock)
        try {
          const detail = await store.check()
          const eventLog = await openLog({
            settings,
            store,
            retentionMs: config.retention.events,
            clock,
            log,
            metrics,
            onUnfit: () => {},
            watch: false,
          })
          await attempt('event log', patience => eventLog.check(patience))
          await eventLog.close()
          return detail
        } finally {
          await store.close()
        }
      })
    }
  } finally {
    await simulation.close()
  }
  if (failed > 0)
    throw new AppError(`${failed} of the checks failed.`, {
      // What start calls a wrong configuration is one here.
      code: unfit instanceof AppError && unfit.code.startsWith('config.') ? unfit.code : 'check.failed',
      intent: 'retry',
    })
}
