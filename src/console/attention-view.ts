import type { Attention } from '../attention/situation.ts'
import type { KeyRole } from '../store/port/keys.ts'
import { form } from './forms.ts'
import { groupOf } from './groups.ts'
import { foreign, type Html, html, links, queryOf, state, time } from './markup.ts'
import type { PageDeps, Visit } from './page.ts'
import type { Viewer } from './sessions.ts'

/** The receiver's own words are shown for so many. */
const MOST_ANSWERS = 20

/** What needs attention, one sentence each, with why and the buttons that may help. */
export async function attentionList(
  { store }: Pick<PageDeps, 'store'>,
  found: readonly Attention[],
  { viewer, now }: Pick<Visit, 'viewer' | 'now'>,
): Promise<Html> {
  const answers = await Promise.all(
    found.slice(0, MOST_ANSWERS).map(async ({ kind, subject }) => {
      if (!kind.startsWith('destination.')) return null
      const [latest] = await store.deliveries.recent(subject, 1)
      return latest?.outcome === 'delivered' ? null : (latest?.response ?? null)
    }),
  )
  return html`<ol class="attention">${found.map((one, index) => entry(one, answers[index] ?? null, viewer, now))}</ol>`
}

const TONES = { critical: ['critical', 'bad'], warning: ['warning', 'warn'], info: ['to know', 'off'] } as const

function entry(one: Attention, answer: string | null, viewer: Viewer, now: number): Html {
  const { severity, sentence, since, reason, actions } = one
  const look = lookOf(one)
  const [word, tone] = TONES[severity]
  const buttons = actions
    .filter(({ method }) => method === 'POST')
    .map(({ name, path, body = {} }) =>
      form({
        viewer,
        ...pageAction(path, body),
        label: name,
        name: `${name}: ${one.subject}`,
        ...(path === '/v1/dead-letters/redrive' && { confirm: `Queue these events for ${one.subject} again?` }),
      }),
    )
  return html`<li class="${severity}"><div class="what">${state(word, tone)}<div><div class="sentence">${foreign(sentence)}</div>${
    reason === null
      ? ''
      : html`<div class="reason">${foreign(reason)}${answer === null || answer === '' ? '' : html` <q>${foreign(answer)}</q>`}</div>`
  }${since === null ? '' : html`<div class="since">since ${time(since, now)}</div>`}</div></div><div class="buttons">${
    look === null
      ? ''
      : html`<a class="button primary" href="${look.to}" aria-label="${look.label}: ${one.subject}">${look.label}</a>`
  }${buttons}</div></li>`
}

/** Where the cause is seen. */
function lookOf({ kind, subject }: Attention): { to: string; label: string } | null {
  if (kind.startsWith('dead-letter')) return { to: `/dead-letters${queryOf({ destination: subject })}`, label: 'Look' }
  if (kind.startsWith('destination.')) return { to: links.destination(subject), label: 'Look' }
  if (kind === 'quarantine') return { to: `/quarantine${queryOf({ connection: subject })}`, label: 'Look' }
  if (/^(connection|publishing|reconcile)\./.test(kind)) return { to: links.connection(subject), label: 'Look' }
  return kind === 'process.standby' ? null : { to: '/settings', label: 'Look' }
}

/** The page's action for a call of the API: the same path without `/v1`, its body as fields. */
function pageAction(path: string, body: Readonly<Record<string, unknown>>) {
  const fields = Object.fromEntries(
    Object.entries(body).map(([name, value]) =>
      name === 'error' ? ['group', groupOf(String(value))] : [name, String(value)],
    ),
  )
  return { action: path.replace('/v1', ''), fields, role: 'write' as KeyRole }
}
