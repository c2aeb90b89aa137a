import { createHash } from 'node:crypto'
import { redact } from '../destinations/webhooks/excerpt.ts'
import { cutText, withoutControls } from '../lib/clean-text.ts'
import { timestamp } from '../lib/clock.ts'
import type { Notice } from './evaluate.ts'

/** A notice as people and programs read it: one or two sentences, a CloudEvent, a message for Slack. */

const LONGEST_REASON = 300

/** A notice as it waits in the store, ready to be sent in any format. */
export interface WrittenNotice {
  readonly id: string
  readonly name: Notice['name']
  readonly kind: Notice['kind']
  readonly subject: string
  readonly at: number
  readonly since: number | null
  readonly reason: string | null
  readonly count: number | null
  readonly text: string
}

export function writeNotice(notice: Notice): WrittenNotice {
  const { name, kind, id, at, since, count } = notice
  const reason = cleaned(notice.reason)
  const identity = createHash('sha256').update(JSON.stringify([name, kind, id, at]))
  return {
    ...{ id: `alert_${identity.digest('hex').slice(0, 24)}`, name, kind, subject: id, at, since, count },
    reason,
    text: textOf({ ...notice, reason }),
  }
}

/** Other people's words: on one line, without what looks like a secret or a mail address. null: nothing is left. */
function cleaned(reason: string | null): string | null {
  if (reason === null) return null
  return cutText(redact(withoutControls(reason)), LONGEST_REASON).trim() || null
}

function textOf({ name, id, since, reason, count }: Notice): string {
  const began = since === null ? '' : ` since ${timestamp(since)}`
  const why = reason === null ? '.' : `: ${reason.replace(/[.\s]+$/, '')}.`
  switch (name) {
    case 'endpoint.failing':
      return `Endpoint ${id} has failed${began}${why} Its events wait; repair the receiver, and they are delivered in order.`
    case 'endpoint.disabled':
      return `Endpoint ${id} is disabled${began}${why} Its events wait; repair the receiver, then run \`orderwire endpoints resume ${id}\`.`
    case 'endpoint.recovered':
      return `Endpoint ${id} works again; it was in trouble${began}. Nothing needs to be done.`
    case 'connection.failing':
      return `Connection ${id} has failed${began}${why} It is tried again by itself; \`orderwire check\` shows whether the vendor can be reached.`
    case 'connection.stopped':
      return `Connection ${id} is stopped${began}${why} Put valid credentials into the configuration and restart.`
    case 'connection.recovered':
      return `Connection ${id} works again; it was in trouble${began}. Nothing needs to be done.`
    case 'dead-letter': {
      const events = count === 1 ? '1 event became a dead letter' : `${count} events became dead letters`
      return `At ${id}, ${events}${since === null ? '' : ` since ${timestamp(since)}`}${reason === null ? '.' : `; the latest error: ${reason.replace(/[.\s]+$/, '')}.`} Once the cause is removed, run \`orderwire dead-letters redrive --to ${id}\`.`
    }
    case 'publishing.refused':
      return `The event log has refused events of connection ${id}${began}${why} They are kept and tried again; check the size limit and the permissions of the topic.`
    case 'reconcile.found':
      return `Reconciliation of connection ${id} found and published ${count === 1 ? '1 event' : `${count} events`} that no poll had shown. If this happens again, raise \`overlap\` of the connection.`
  }
}

/** CloudEvents 1.0. `consoleUrl` null: the address of the console is not configured. */
export function standardBody(notice: WrittenNotice, consoleUrl: string | null): string {
  const { id, name, kind, subject, at, since, reason, count, text } = notice
  return JSON.stringify({
    specversion: '1.0',
    id,
    source: '/alerts',
    type: `orderwire.alert.${name}`,
    subject: `${kind}/${subject}`,
    time: timestamp(at),
    datacontenttype: 'application/json',
    data: {
      [kind]: subject,
      text,
      reason,
      since: since === null ? null : timestamp(since),
      ...(count !== null && { count }),
      console: consoleUrl,
    },
  })
}

/** A message for an incoming webhook of Slack, in which `<`, `>` and `&` begin mentions, links and entities. */
export function slackBody({ text }: WrittenNotice, consoleUrl: string | null): string {
  const link = consoleUrl === null ? '' : ` <${escaped(consoleUrl.replaceAll('|', '%7C'))}|Open the console>`
  return JSON.stringify({ text: escaped(text) + link })
}

const escaped = (text: string): string => text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;')
