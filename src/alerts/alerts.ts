import type { Config } from '../../schemas/config.ts'
import { createGuard } from '../destinations/webhooks/egress.ts'
import { createSender } from '../destinations/webhooks/send.ts'
import { type HeldLease, withLease } from '../ingest/lease.ts'
import type { Clock } from '../lib/clock.ts'
import { messageOf } from '../lib/errors.ts'
import type { ForwardProxy } from '../lib/forward-proxy.ts'
import type { HostCertificates } from '../lib/host-certificates.ts'
import type { AlertState } from '../store/port/alerts.ts'
import { isLeaseLost } from '../store/port/leases.ts'
import type { Store } from '../store/store.ts'
import type { Log } from '../telemetry/log.ts'
import type { Metrics } from '../telemetry/metrics.ts'
import { evaluate } from './evaluate.ts'
import { writeNotice } from './notice-body.ts'
import { observe } from './observe.ts'
import { createNoticeSender, type NoticeSender } from './send-notices.ts'

const EVERY_MS = 5_000

/**
 * Notifies the receivers in `alerts` of the configuration, in one process of all: the holder of a lease looks at the stored state, stores
 * each change with its notices in one transaction, and sends them beside that. Returns how to stop.
 */
export function startAlerts(deps: {
  config: Pick<Config, 'alerts' | 'connections' | 'network'>
  proxy?: ForwardProxy | null
  certificates?: readonly HostCertificates[]
  store: Pick<Store, 'alerts' | 'connections' | 'endpoints' | 'leases' | 'reconciliations'>
  /** Of this process. Only one that polls or delivers notifies. */
  roles: ReadonlySet<string>
  /** Where people reach the console; empty: not configured. */
  publicUrls: readonly string[]
  owner: string
  clock: Clock
  log: Log
  metrics: Pick<Metrics, 'alerts'>
}): () => Promise<void> {
  const { config, proxy = null, certificates = [], store, roles, publicUrls, owner, clock } = deps
  if (config.alerts.length === 0 || !(roles.has('ingest') || roles.has('dispatch'))) return async () => {}
  const log = deps.log.child({ part: 'alerts' })
  const guard = createGuard({ allow: config.network.allow })
  const sender = createSender({ guard, clock, proxy, certificates })
  const [consoleUrl = null] = publicUrls
  const receivers = config.alerts.map(alert => {
    const problem = guard.checkUrl(alert.url)
    if (problem) log.warn({ receiver: new URL(alert.url).host }, `no notice can be sent: ${problem}`)
    return createNoticeSender({ ...deps, log, alert, alerts: store.alerts, sender, consoleUrl })
  })
  const polled = new Set(config.connections.filter(({ enabled }) => enabled).map(({ id }) => id))
  const stopping = new AbortController()

  async function evaluateAll({ lease }: HeldLease): Promise<void> {
    const now = clock.now()
    const states = Map.groupBy(await store.alerts.states(), ({ alert }) => alert)
    const viewFor = await observe(store, polled, now)
    for (const receiver of receivers) {
      const known = new Map(
        (states.get(receiver.key) ?? []).map((state): [string, AlertState] => [state.subject, state]),
      )
      const { put, remove, notices } = evaluate(receiver, known, await viewFor(known), now)
      if (put.length + remove.length + notices.length === 0) continue
      const queued = notices.map(({ subject, ...notice }) => {
        const body = JSON.stringify(writeNotice(notice))
        return { alert: receiver.key, subject, body, at: now }
      })
      await store.alerts.save(lease, { put, remove, notices: queued })
    }
  }

  async function work(held: HeldLease): Promise<void> {
    await store.alerts.keepOnly(
      held.lease,
      receivers.map(({ key }) => key),
    )
    /** A receiver that hangs delays neither the others nor the evaluation. */
    const sending = new Map<NoticeSender, Promise<void>>()
    let said = false
    const failed = (error: unknown) => {
      if (held.signal.aborted) return
      if (isLeaseLost(error)) return held.lost(error)
      if (!said) log.warn({ error: messageOf(error) }, 'could not look for alerts; trying again')
      said = true
    }
    while (!held.signal.aborted) {
      try {
        held.assertFresh()
        await evaluateAll(held)
        said = false
      } catch (error) {
        failed(error)
      }
      for (const receiver of receivers) {
        if (sending.has(receiver)) continue
        const sent = receiver.sendDue(held).catch(failed)
        sending.set(
          receiver,
          sent.finally(() => sending.delete(receiver)),
        )
      }
      await clock.sleep(EVERY_MS, held.signal)
    }
    await Promise.all(sending.values())
  }

  const working = withLease({ leases: store.leases, name: 'alerts', owner, clock, log, signal: stopping.signal }, work)
  return async () => {
    stopping.abort()
    await working
    await sender.close()
  }
}
