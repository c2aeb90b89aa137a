import { z } from 'zod'
import { ApiKey, ApiKeyCreated, pageOf } from '../../../schemas/api.ts'
import { mayCall } from '../../api/auth/authenticate.ts'
import { createChecks } from '../../api/routes/health.ts'
import { durationWords } from '../../lib/duration.ts'
import type { HeldLease } from '../../store/port/leases.ts'
import { field, form } from '../forms.ts'
import { heading, live } from '../layout.ts'
import { empty, facts, foreign, foreignText, type Html, html, state, table, time } from '../markup.ts'
import { action, done, type PageDeps, type PageRoute, page, type Visit } from '../page.ts'
import { createVerification } from '../verification.ts'

const MOST_KEYS = 200

/** `/settings`: keys, how this process is doing, what is kept, and whether the store agrees with itself. */
export function settingsPages(deps: PageDeps): PageRoute[] {
  const { store, roles, config, version, shared, results, standby } = deps
  const check = createChecks(deps)
  const verification = createVerification()

  async function keys(visit: Visit): Promise<Html> {
    const { viewer, now, call, query } = visit
    // After "Make a key": the new key, which the viewer sees this once.
    const newKey = results.take(viewer, query.get('key') ?? '')
    const add = form({
      viewer,
      action: '/settings/keys',
      role: 'admin',
      label: 'Make a key',
      body: html`${field({ name: 'name', label: 'Who or what uses it', required: true })}${field({
        name: 'role',
        label: 'Role',
        options: [
          ['read', 'read: may look'],
          ['write', 'write: may also poll, redrive, pause, test'],
          ['admin', 'admin: may do everything'],
        ],
      })}`,
    })
    if (!mayCall(viewer.role, 'admin'))
      return html`<section class="panel"><h2>Keys</h2><p class="hint">Keys are shown to the role "admin"; yours is "${viewer.role ?? ''}".</p>${add}</section>`
    const { data } = await call(pageOf(ApiKey), 'GET /v1/keys', { query: { limit: MOST_KEYS } })
    const columns = [{ name: 'Name' }, { name: 'Role' }, { name: 'Made' }, { name: 'Last used' }, { name: '' }]
    const rows = data.map(({ id, name, role, createdAt, lastUsedAt }) => [
      foreign(name),
      role,
      time(createdAt, now),
      lastUsedAt === null ? 'never' : time(lastUsedAt, now),
      form({
        viewer,
        action: '/settings/keys/remove',
        role: 'admin',
        label: 'Remove',
        name: `Remove the key ${foreignText(name)}`,
        kind: 'danger',
        fields: { id },
        confirm: `Remove the key ${foreignText(name)}? Whoever uses it is refused at once.`,
      }),
    ])
    return html`${newKey ?? ''}<section class="panel"><h2>Keys</h2>${data.length === 0 ? empty('No key was made.', 'With ORDERWIRE_API_KEY alone, everybody who has it may do everything.') : table('API keys', columns, rows)}${add}</section>`
  }

  return [
    page('/settings', async visit => {
      const [checks, described, [first], last, size, leases, keyPanel] = await Promise.all([
        check(),
        store.check().catch(() => 'does not answer'),
        store.events.list({}, { limit: 1 }),
        store.events.last(),
        store.size(),
        store.leases.list(),
        keys(visit),
      ])
      const { events, attempts, deadLetters } = config.retention
      const parts = [
        ['Store', checks.store],
        ['Event log', checks.eventLog],
        ['Polling', checks.ingest],
        ['Delivering', checks.dispatch],
      ] as const
      const found = verification.view()
      const body = html`${heading('Settings')}
${keyPanel}
${live(
  '/settings',
  html`<section class="panel"><h2>This process</h2>${facts([
    ['Version', version],
    ['Roles', [...roles].join(', ')],
    [
      'Other processes',
      shared ? (standby?.() ? 'this one stands by' : 'may share this store') : 'none: it owns its store',
    ],
    ['Store', foreign(described)],
    ['Size on disk', sizeWords(size)],
    ['Events in the history', `${first ? (last - first.n + 1).toLocaleString('en') : 0} places`],
  ])}${table(
    'Parts of this process',
    [{ name: 'Part' }, { name: 'State' }, { name: 'What it says' }],
    parts.map(([name, one]) => [
      name,
      one.state === 'ok'
        ? state('ok', 'good')
        : one.state === 'failing'
          ? state('failing', 'bad')
          : state('elsewhere', 'off'),
      foreign(one.detail),
    ]),
  )}</section>
${leasePanel(leases, deps.owner, visit.now)}
<section class="panel"><h2>Retention</h2>${facts([
    ['Events', durationWords(events)],
    ['Attempts', durationWords(attempts)],
    ['Dead letters', durationWords(deadLetters)],
  ])}<p class="hint">What waits for a destination is never deleted, nor its event.</p></section>
${found === null ? '' : html`<section class="panel"><h2>Verification</h2>${found}</section>`}`,
)}
<section class="panel narrow"><h2>Verify the store</h2><p class="hint">Looks through everything for what contradicts itself. Changes nothing; reading all takes a while.</p>${form({ viewer: visit.viewer, action: '/settings/verify', role: 'read', label: 'Verify', ...(verification.running() && { disabled: 'A verification is running.' }) })}</section>`
      return { title: 'Settings', section: '/settings', body }
    }),

    action('/settings/keys', 'admin', async ({ form: given, call, viewer }) => {
      const { key, name } = await call(ApiKeyCreated, 'POST /v1/keys', {
        body: { name: given.get('name') ?? '', role: given.get('role') ?? '' },
      })
      const result = results.put(
        viewer,
        html`<section class="panel secret"><h2>The key, shown this once</h2><p>It is kept nowhere: copy it now.</p><div class="copy"><code id="new-key">${key}</code><button type="button" class="quiet" data-script data-copy="new-key" hidden>Copy</button></div></section>`,
      )
      return done(`The key "${name}" was made.`, `/settings?key=${result}`)
    }),

    action('/settings/keys/remove', 'admin', async ({ form: given, call }) => {
      await call(z.unknown(), 'DELETE /v1/keys/{id}', { params: { id: given.get('id') ?? '' } })
      return done('The key was removed. Whoever uses it is refused from now on, and its sessions have ended.')
    }),

    action('/settings/verify', 'read', async ({ stream }) => {
      if (verification.running())
        return { message: { tone: 'bad', text: 'A verification is running already; one at a time.' } }
      verification.follow(await stream('GET /v1/verify'))
      return done('The verification has begun. What it finds is shown below as it comes.', '/settings')
    }),
  ]
}

/** Who works on what. A lease that is over is one that nobody has taken yet. */
function leasePanel(leases: readonly HeldLease[], owner: string | undefined, now: number): Html | string {
  if (leases.length === 0) return ''
  const columns = [{ name: 'Lease' }, { name: 'Held by' }, { name: 'Until' }, { name: 'Epoch', number: true }]
  const rows = leases.map(({ name, owner: holder, expiresAt, epoch }) => [
    foreign(name),
    holder === owner ? 'this process' : html`<code>${foreign(holder)}</code>`,
    expiresAt === null ? 'another takes it' : time(expiresAt, now),
    epoch.toLocaleString('en'),
  ])
  return html`<section class="panel"><h2>Leases</h2><p class="hint">Each connection, and each partition of Kafka, is worked on by one process. A lease whose time is over passes to whoever asks first.</p>${table('Leases', columns, rows)}</section>`
}

function sizeWords(bytes: number): string {
  const steps = ['bytes', 'kB', 'MB', 'GB', 'TB']
  const step = Math.min(steps.length - 1, Math.floor(Math.log10(Math.max(1, bytes)) / 3))
  return `${(bytes / 1000 ** step).toLocaleString('en', { maximumFractionDigits: step > 1 ? 1 : 0 })} ${steps[step]}`
}
