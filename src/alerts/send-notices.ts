import { createHash } from 'node:crypto'
import type { AlertConfig } from '../../schemas/alert.ts'
import type { Sender } from '../destinations/webhooks/send.ts'
import type { HeldLease } from '../ingest/lease.ts'
import { pauseAfter } from '../lib/back-off.ts'
import type { Clock } from '../lib/clock.ts'
import { retryAfterMs } from '../lib/retry-after.ts'
import { createSigner } from '../lib/sign.ts'
import { VERSION } from '../lib/version.ts'
import type { AlertStore, StoredNotice } from '../store/port/alerts.ts'
import type { Log } from '../telemetry/log.ts'
import type { Metrics } from '../telemetry/metrics.ts'
import type { Receiver } from './evaluate.ts'
import { slackBody, standardBody, type WrittenNotice } from './notice-body.ts'

const TIMEOUT_MS = 10_000
/** A notice that cannot be sent for this long is dropped. */
const GIVE_UP_MS = 3_600_000
const RETRY = { firstMs: 5_000, longestMs: 300_000 }
const BATCH = 20

/** The URL may be a secret itself (Slack), so only a digest of it is stored. */
export const keyOf = ({ url }: Pick<AlertConfig, 'url'>): string =>
  createHash('sha256').update(url).digest('base64url').slice(0, 22)

export interface NoticeSender extends Receiver {
  /** Sends what is due, one after another, until nothing is. */
  sendDue(held: HeldLease): Promise<void>
}

/** Sends the notices of one receiver. */
export function createNoticeSender(deps: {
  alert: AlertConfig
  alerts: Pick<AlertStore, 'due' | 'postpone' | 'removeNotice'>
  sender: Sender
  consoleUrl: string | null
  clock: Clock
  log: Log
  metrics: Pick<Metrics, 'alerts'>
}): NoticeSender {
  const { alert, alerts, sender, consoleUrl, clock, log, metrics } = deps
  const key = keyOf(alert)
  const { host } = new URL(alert.url)
  const sign = alert.secret === undefined ? null : createSigner([alert.secret])

  function requestOf(notice: WrittenNotice): { headers: Record<string, string>; body: string } {
    const agent = { 'user-agent': `orderwire/${VERSION}` }
    if (alert.format === 'slack')
      return {
        headers: { ...agent, 'content-type': 'application/json; charset=utf-8' },
        body: slackBody(notice, consoleUrl),
      }
    const body = standardBody(notice, consoleUrl)
    const seconds = Math.floor(clock.now() / 1000)
    return {
      headers: {
        ...agent,
        'content-type': 'application/cloudevents+json; charset=utf-8',
        'webhook-id': notice.id,
        'webhook-timestamp': String(seconds),
        ...(sign && { 'webhook-signature': sign(notice.id, seconds, body) }),
      },
      body,
    }
  }

  async function send({ lease, signal }: HeldLease, stored: StoredNotice): Promise<void> {
    const notice: WrittenNotice = JSON.parse(stored.body)
    const answer = await sender.send({ url: alert.url, ...requestOf(notice), timeoutMs: TIMEOUT_MS, signal })
    if (answer.kind === 'aborted') return
    const isAnswer = answer.kind === 'answered'
    if (isAnswer && answer.statusCode >= 200 && answer.statusCode < 300) {
      await alerts.removeNotice(lease, stored.n)
      metrics.alerts.inc({ alert: notice.name, outcome: 'sent' })
      return
    }
    const error = isAnswer ? `answered ${answer.statusCode}` : answer.error
    const about = { receiver: host, alert: notice.name, subject: stored.subject, error }
    const now = clock.now()
    const asked = isAnswer ? (retryAfterMs(answer.headers, now) ?? 0) : 0
    const pause = Math.max(pauseAfter(stored.attempts + 1, RETRY), asked)
    if (now + pause - stored.createdAt > GIVE_UP_MS) {
      await alerts.removeNotice(lease, stored.n)
      metrics.alerts.inc({ alert: notice.name, outcome: 'dropped' })
      log.warn(about, 'a notice could not be sent for an hour and is dropped; check `alerts` in the configuration')
      return
    }
    await alerts.postpone(lease, stored.n, now + pause)
    metrics.alerts.inc({ alert: notice.name, outcome: 'retry' })
    log.info(about, 'a notice could not be sent; trying again')
  }

  return {
    key,
    on: alert.on,
    async sendDue(held) {
      while (!held.signal.aborted) {
        const due = await alerts.due(key, clock.now(), BATCH)
        if (due.length === 0) return
        for (const notice of due) {
          held.assertFresh()
          await send(held, notice)
          if (held.signal.aborted) return
        }
      }
    },
  }
}
