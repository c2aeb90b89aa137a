import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { z } from 'zod'
import type { ConfigInput } from '../../schemas/config.ts'
import { systemClock } from '../../src/lib/clock.ts'
import { createSandbox, type Sandbox } from '../../src/sandbox/sandbox.ts'
import { createMetrics } from '../../src/telemetry/metrics.ts'
import { configure, type Program, startProgram } from '../helpers/program.ts'
import { prometheusTools, startPrometheus } from '../helpers/prometheus.ts'
import { createReceiver, type Receiver } from '../helpers/receiver.ts'
import { connectionsTo, createShop } from '../helpers/shop.ts'
import { temporaryFolder } from '../helpers/temp.ts'
import { until } from '../helpers/until.ts'

/** deploy/grafana.json and deploy/prometheus-rules.yaml on a real Prometheus that scrapes a real program with a real fault. */

const root = join(import.meta.dirname, '../..')
const KEY = 'a-key-for-this-test-only-0'
/** What a run without Kafka and without a loop that fails does not tell: its labels are those of the documents, which are the program's. */
const WITHOUT_DATA = ['orderwire_consumer_lag', 'orderwire_connection_trouble']
const operating = readFileSync(join(root, 'docs/operating.md'), 'utf8')
const labelsOf = (name: string) => new RegExp(`\\b${name}\\{([\\w,]+)\\}`).exec(operating)?.[1]?.split(',') ?? []

const Variable = z.object({ name: z.string(), type: z.enum(['datasource', 'query']), query: z.unknown() })
const Panel = z.object({
  id: z.number(),
  type: z.enum(['row', 'timeseries']),
  title: z.string(),
  gridPos: z.object({ x: z.number(), y: z.number(), w: z.number(), h: z.number() }),
  targets: z
    .array(z.object({ refId: z.string(), expr: z.string(), legendFormat: z.string() }))
    .min(1)
    .optional(),
})
const dashboard = z
  .object({
    uid: z.literal('orderwire'),
    schemaVersion: z.number(),
    templating: z.object({ list: z.array(Variable) }),
    panels: z.array(Panel),
  })
  .parse(JSON.parse(readFileSync(join(root, 'deploy/grafana.json'), 'utf8')))
const panels = dashboard.panels.filter(({ type }) => type !== 'row')
const targets = panels.flatMap(({ title, targets }) => (targets ?? []).map(target => ({ title, ...target })))

describe('the dashboard', () => {
  test('has panels with an id and a place of their own, each with a query', () => {
    expect(new Set(dashboard.panels.map(({ id }) => id)).size).toBe(dashboard.panels.length)
    expect(panels.filter(({ targets }) => targets === undefined)).toEqual([])
    const overlap = (a: z.infer<typeof Panel>['gridPos'], b: typeof a) =>
      a.x < b.x + b.w && b.x < a.x + a.w && a.y < b.y + b.h && b.y < a.y + a.h
    for (const [at, panel] of dashboard.panels.entries())
      for (const other of dashboard.panels.slice(at + 1))
        expect([panel.title, other.title, overlap(panel.gridPos, other.gridPos)]).toEqual([
          ...[panel.title, other.title, false],
        ])
  })

  test('uses its own variables and those of Grafana only', () => {
    const known = [...dashboard.templating.list.map(({ name }) => name), '__rate_interval']
    const used = targets.flatMap(({ expr }) => [...expr.matchAll(/\$\{?(\w+)/g)].map(([, name = '']) => name))
    expect(used.filter(name => !known.includes(name))).toEqual([])
  })

  test('shows every metric of the program', async () => {
    const metrics = (await createMetrics().registry.getMetricsAsJSON()).map(({ name }) => name)
    // A person meets these in the alerts.
    const inAlertsOnly = ['connection_notice', 'reconciled_events_total', 'expired_dead_letters_total']
    const elsewhere = [...inAlertsOnly, 'event_log_misfits_total'].map(name => `orderwire_${name}`)
    const shown = targets.map(({ expr }) => expr).join('\n')
    const missing = metrics.filter(
      name => name.startsWith('orderwire_') && !new RegExp(`\\b${name}(_bucket)?\\b`).test(shown),
    )
    expect(missing.sort()).toEqual(elsewhere.sort())
  })
})

const tools = prometheusTools()

describe.skipIf(tools === null)('on a real Prometheus', () => {
  let folder: Awaited<ReturnType<typeof temporaryFolder>>
  let sandbox: Sandbox
  let receivers: Record<'steady' | 'shaky' | 'alerts', Receiver>
  let program: Program
  let prometheus: Awaited<ReturnType<typeof startPrometheus>>

  beforeAll(async () => {
    folder = await temporaryFolder()
    sandbox = await createSandbox({ port: 0, clock: systemClock(), lapse: false, limits: false })
    const [steady, shaky, alerts] = await Promise.all([createReceiver(), createReceiver(), createReceiver()])
    receivers = { steady, shaky, alerts }
    shaky.otherwise = 500
    sandbox.kakaclo.faults.add({ status: 401, times: 1_000_000 })
    await configure(folder.path, {
      connections: (connectionsTo(sandbox) ?? []).map(each =>
        each.id === 'shop' ? { ...each, webhookSecret: 's' } : each,
      ),
      endpoints: [
        { id: 'steady', url: steady.url },
        { id: 'shaky', url: shaky.url, delivery: { retries: Array.from({ length: 50 }, () => '2s') } },
      ],
      network: { allow: ['127.0.0.0/8'] },
      alerts: [{ url: alerts.url }],
    } satisfies ConfigInput)
    program = await startProgram(folder.path, { ORDERWIRE_API_KEY: KEY }, [], { withinMs: 60_000 })
    const shop = createShop(sandbox, 5)
    for (let n = 0; n < 40; n++) shop.open()
    for (let n = 0; n < 60; n++) shop.move()
    await fetch(`${program.url}/hooks/shop`, { method: 'POST', body: '{}' })
    await fetch(`${program.url}/v1/events`)
    // The rules as they are, without the time they wait: a unit test has that.
    const rules = readFileSync(join(root, 'deploy/prometheus-rules.yaml'), 'utf8').replaceAll(/^ +for: .*\n/gm, '')
    prometheus = await startPrometheus(tools?.prometheus ?? '', { url: program.url, key: KEY, rules })
  })

  afterAll(async () => {
    await prometheus?.stop()
    await program?.end('SIGKILL')
    await Promise.all([sandbox?.close(), ...Object.values(receivers ?? {}).map(each => each.close())])
    await folder.remove()
  })

  const post = (path: string) =>
    fetch(program.url + path, { method: 'POST', headers: { authorization: `Bearer ${KEY}` } })
  const firing = async () =>
    (await prometheus.alerts()).map(({ alertname, ...of }) => `${alertname} ${of.destination ?? of.connection ?? ''}`)

  test.for(targets)(
    'the panel "$title" has data, with the labels of its legend: $expr',
    async ({ expr, legendFormat }) => {
      const asked = expr
        .replaceAll('$__rate_interval', '1m')
        .replaceAll('$connection', 'kk|shop')
        .replaceAll('$destination', 'steady|shaky')
        .replaceAll('$job', 'orderwire')
      const absent = WITHOUT_DATA.find(name => expr.includes(name))
      let labels = absent === undefined ? [] : labelsOf(absent)
      await until('there is data', async () => {
        const [sample] = await prometheus.query(asked)
        if (sample) labels = Object.keys(sample.metric)
        return sample !== undefined || absent !== undefined
      })
      const legend = [...legendFormat.matchAll(/\{\{(\w+)\}\}/g)].map(([, label = '']) => label)
      expect(labels).toEqual(expect.arrayContaining(legend))
    },
  )

  test('an endpoint that fails and a connection that is refused fire their alerts, which end with the repair', async () => {
    await until(
      'both fire',
      async () => {
        const now = await firing()
        return now.includes('OrderwireDestinationOpen shaky') && now.includes('OrderwireConnectionStopped kk')
      },
      60_000,
    )
    expect((await firing()).filter(alert => alert.endsWith(' steady') || alert.endsWith(' shop'))).toEqual([])

    receivers.shaky.otherwise = 204
    sandbox.kakaclo.faults.clear()
    await Promise.all([post('/v1/destinations/shaky/retry'), post('/v1/connections/kk/poll')])
    await until('none fires', async () => (await firing()).length === 0, 60_000)
  })
})
