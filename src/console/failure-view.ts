import type { RecentAttempt } from '../store/port/deliveries.ts'
import { chart, percentile } from './charts.ts'
import { counted, foreign, foreignBlock, type Html, html, time } from './markup.ts'

const MOST_GROUPS = 5
const POINTS = 60

/** Failures of the newest attempts by what they were answered: "500 × 31 since 02:10, latest body …". */
export function failureGroups(attempts: readonly RecentAttempt[], now: number): Html | string {
  const failed = attempts.filter(({ outcome }) => outcome !== 'delivered')
  const groups = [...Map.groupBy(failed, ({ statusCode, error }) => `${statusCode ?? 'none'} ${error ?? ''}`).values()]
    .toSorted((a, b) => b.length - a.length)
    .slice(0, MOST_GROUPS)
  if (groups.length === 0) return ''
  return html`<section class="panel"><h2>Why deliveries fail</h2><ul class="failures">${groups.map(group => {
    const [latest] = group
    const first = group.at(-1)
    if (!latest || !first) return ''
    return html`<li><div class="head"><strong>${latest.statusCode ?? 'no answer'}</strong> <span class="times-of">× ${group.length}</span> <span class="hint">since ${time(first.at, now)}, latest ${time(latest.at, now)}</span></div><div class="reason">${foreign(latest.error)}</div>${
      latest.response === null || latest.response === ''
        ? ''
        : html`<details><summary>Latest answer</summary>${foreignBlock(latest.response, 'The beginning of the latest answer')}</details>`
    }</li>`
  })}</ul></section>`
}

/** Delivered and failed attempts, and how long they took, over the time of the newest attempts. */
export function failureCharts(attempts: readonly RecentAttempt[]): Html | string {
  const [newest] = attempts
  const oldest = attempts.at(-1)
  if (!newest || !oldest)
    return html`<section class="panel"><h2>Deliveries over time</h2><p class="hint">Nothing was tried yet.</p></section>`
  const bucketMs = Math.max(1000, Math.ceil((newest.at - oldest.at + 1) / POINTS / 1000) * 1000)
  const first = Math.floor(oldest.at / bucketMs)
  const byBucket = Map.groupBy(attempts, ({ at }) => Math.floor(at / bucketMs) - first)
  const buckets = Array.from({ length: Math.floor(newest.at / bucketMs) - first + 1 }, (_, index) => ({
    at: (first + index) * bucketMs,
    all: byBucket.get(index) ?? [],
  }))
  const delivered = attempts.filter(({ outcome }) => outcome === 'delivered').length
  const times = attempts.map(({ ms }) => ms)
  return html`<div class="columns"><section class="panel">${chart({
    title: 'Delivered and failed',
    names: ['delivered', 'failed'],
    colours: [2, 4],
    points: buckets.map(({ at, all }) => {
      const good = all.filter(({ outcome }) => outcome === 'delivered').length
      return { at, values: [good, all.length - good] }
    }),
    unit: 'attempts',
    stacked: true,
    summary: `${delivered} of the newest ${counted(attempts.length, 'attempt')} delivered`,
  })}</section><section class="panel">${chart({
    title: 'How long it takes to answer',
    names: ['p50', 'p99'],
    points: buckets.map(({ at, all }) => {
      const ms = all.map(one => one.ms)
      return { at, values: [percentile(ms, 0.5), percentile(ms, 0.99)] }
    }),
    unit: 'ms',
    summary: `p50 ${percentile(times, 0.5)} ms, p99 ${percentile(times, 0.99)} ms`,
  })}</section></div>`
}
