import { z } from 'zod'
import { type Checks, NotReady, Ready } from '../../../schemas/api.ts'
import { messageOf } from '../../lib/errors.ts'
import type { ApiDeps } from '../deps.ts'
import { createCollector } from '../gauges.ts'
import { reply } from '../json.ts'
import { problem } from '../problem.ts'
import { type Route, route } from '../route.ts'

/** The store gets this long to answer. */
const PATIENCE_MS = 5_000
/** An answer of the store is reused for this long, so probes by strangers cost nothing. */
const FRESH_MS = 1_000

/** Whether each part of this process works. */
export function createChecks({ store, eventLog, ingest, dispatch, clock }: ApiDeps): () => Promise<Checks> {
  let storeCheck: { at: number; answer: Promise<Checks['store']> } | null = null

  async function askStore(): Promise<Checks['store']> {
    const done = new AbortController()
    try {
      const late = clock.sleep(PATIENCE_MS, done.signal).then(() => null)
      const answer = await Promise.race([store.check(), late])
      if (answer === null)
        return { state: 'failing', detail: `The store did not answer within ${PATIENCE_MS / 1000} s.` }
      // Do not say where it is: strangers may ask too.
      return { state: 'ok', detail: 'The store answers.' }
    } catch (error) {
      return { state: 'failing', detail: messageOf(error) }
    } finally {
      done.abort()
    }
  }

  function storeState(): Promise<Checks['store']> {
    const now = clock.monotonic()
    if (storeCheck === null || now - storeCheck.at > FRESH_MS) storeCheck = { at: now, answer: askStore() }
    return storeCheck.answer
  }

  const part = (control: { health(): string | null } | null, fine: string): Checks['ingest'] => {
    if (control === null) return { state: 'elsewhere', detail: 'Not a role of this process.' }
    const trouble = control.health()
    return trouble === null ? { state: 'ok', detail: fine } : { state: 'failing', detail: trouble }
  }

  /** A failing connection does not affect the others: the process is ready, and the detail names the failure. */
  function ingestWorks(): string {
    const troubles = [...(ingest?.troubles?.() ?? [])].map(([connection, sentence]) => `${connection}: ${sentence}`)
    return ['Polls go on; each connection tells its own state.', ...troubles].join(' ')
  }

  return async () => ({
    store: await storeState(),
    // A log that went back works again: the notice is shown, and the process is ready.
    eventLog: part(eventLog, eventLog.notice() ?? 'The event log answers.'),
    ingest: part(ingest, ingestWorks()),
    dispatch: part(dispatch, 'Deliveries go on.'),
  })
}

/** The parts of a process, by the name that attention and metrics give them. */
export const PARTS = [
  { part: 'store', check: 'store' },
  { part: 'event-log', check: 'eventLog' },
  { part: 'ingest', check: 'ingest' },
  { part: 'dispatch', check: 'dispatch' },
] as const

/** Parts of other processes are not told, nor those that rest because another process of the pair works. */
async function tellReadiness({ metrics, standby }: ApiDeps, check: () => Promise<Checks>): Promise<void> {
  const checks = await check()
  const standsBy = standby?.() ?? false
  metrics.ready.reset()
  for (const each of PARTS) {
    const { state } = checks[each.check]
    const rests = standsBy && (each.part === 'ingest' || each.part === 'dispatch')
    if (state !== 'elsewhere' && !rests) metrics.ready.set({ part: each.part }, state === 'failing' ? 0 : 1)
  }
}

/** `/healthz`, `/readyz`, `/metrics`: served by every role. */
export function healthRoutes(deps: ApiDeps): Route[] {
  const { metrics, log, version } = deps
  const collect = deps.collect ?? createCollector(deps)
  const check = createChecks(deps)

  return [
    route({
      method: 'GET',
      path: '/healthz',
      access: 'open',
      summary: 'Whether the process is alive',
      tag: 'health',
      answers: { 200: { description: 'It is', schema: z.object({ status: z.literal('ok'), version: z.string() }) } },
      handle: () => reply({ status: 'ok', version }),
    }),
    route({
      method: 'GET',
      path: '/readyz',
      access: 'open',
      summary: 'Whether it can work: store, event log, polls, deliveries',
      tag: 'health',
      answers: {
        200: { description: 'Ready', schema: Ready },
        503: { description: 'Not ready; `checks` says why', schema: NotReady, type: 'application/problem+json' },
      },
      async handle() {
        const checks = await check()
        const failing = Object.values(checks).filter(({ state }) => state === 'failing')
        if (failing.length === 0) return reply({ status: 'ready', checks })
        return problem(503, failing.map(({ detail }) => detail).join(' '), { more: { checks } })
      },
    }),
    route({
      method: 'GET',
      path: '/metrics',
      access: 'read',
      summary: 'Metrics for Prometheus',
      tag: 'health',
      answers: { 200: { description: 'Text exposition format', schema: z.string(), type: 'text/plain' } },
      async handle() {
        try {
          await collect()
        } catch (error) {
          log.warn({ error: messageOf(error) }, 'the gauges could not be refreshed')
        }
        await tellReadiness(deps, check)
        return new Response(await metrics.registry.metrics(), {
          headers: { 'content-type': metrics.registry.contentType, 'cache-control': 'no-store' },
        })
      },
    }),
  ]
}
