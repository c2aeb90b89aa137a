import { existsSync, globSync, readFileSync } from 'node:fs'
import { dirname, join, relative, resolve } from 'node:path'
import { describe, expect, test } from 'vitest'
import { ALERT_NAMES } from '../schemas/alert.ts'
import { Config, DeliveryOptions, EndpointConfig } from '../schemas/config.ts'
import {
  EVENT_TYPES,
  OrderCancelled,
  OrderDelivered,
  OrderEvent,
  OrderPaid,
  OrderRefunded,
  OrderShipped,
} from '../schemas/order-event.ts'
import {
  KakacloConnection,
  RestConnection,
  ShoplazzaConnection,
  TuyaConnection,
} from '../schemas/vendor/connections.ts'
import type { Command } from '../src/cli/command.ts'
import { allCommands } from '../src/cli/commands.ts'
import { createMetrics } from '../src/telemetry/metrics.ts'
import { memberTable } from './helpers/event-tables.ts'

/** What the documents say of the code is still so. They promise more than this; these are the parts that rot first. */

const root = join(import.meta.dirname, '..')
const read = (path: string) => readFileSync(join(root, path), 'utf8')
const documents = ['README.md', ...globSync('docs/*.md', { cwd: root }).sort()]
const operating = 'docs/operating.md'
const configuration = 'docs/configuration.md'
const matches = (text: string, pattern: RegExp) => [...text.matchAll(pattern)].map(match => match[1] ?? '')

/** The table rows of a document under a heading, up to the next heading of the same level. */
function rowsOf(document: string, heading: string): string {
  const text = read(document)
  const begin = text.indexOf(`\n## ${heading}\n`)
  expect(begin, `${document} has no "## ${heading}"`).toBeGreaterThan(-1)
  const section = text.slice(begin + 1)
  const end = section.indexOf('\n## ')
  const lines = (end === -1 ? section : section.slice(0, end)).split('\n')
  return lines.filter(line => line.startsWith('|')).join('\n')
}

describe(configuration, () => {
  const config = ['environment', 'kafka-settings', 'config-file', 'proxies']
    .map(file => read(`src/config/${file}.ts`))
    .join('\n')
  const variables = new Set([
    ...matches(config, /\((?:\s*)'([A-Z][A-Z_]{3,})'/g),
    ...matches(config, /\benv\.([A-Z][A-Z_]+)/g),
  ])

  test('names every environment variable the program reads, and no other', () => {
    const named = matches(
      rowsOf(configuration, 'Environment variables').replaceAll(/^(\|[^|]*\|).*$/gm, '$1'),
      /`([A-Z][A-Z_]{3,})`/g,
    )
    expect(new Set(named)).toEqual(variables)
  })

  test('gives every key of the configuration', () => {
    const rows = rowsOf(configuration, 'Configuration')
    const shapes = [
      Config,
      KakacloConnection,
      TuyaConnection,
      ShoplazzaConnection,
      RestConnection,
      EndpointConfig,
      DeliveryOptions,
      Config.shape.retention.unwrap(),
      Config.shape.network.unwrap(),
    ]
    const keys = new Set(shapes.flatMap(shape => Object.keys(shape.shape)))
    expect([...keys].filter(key => !new RegExp(`[\`"]${key}[\`"]`).test(rows))).toEqual([])
  })
})

describe(operating, () => {
  test('lists every metric with its labels, and no other', async () => {
    const { registry } = createMetrics()
    const metrics = await registry.getMetricsAsJSON()
    const expected = metrics
      .map(({ name }) => name)
      .filter(name => name.startsWith('orderwire_'))
      .map(name => {
        // prom-client's types do not show the labels of a metric.
        const labels = String(Reflect.get(registry.getSingleMetric(name) ?? {}, 'labelNames'))
        return labels === '' ? name : `${name}{${labels}}`
      })
    expect(matches(rowsOf(operating, 'Metrics'), /^\| `(orderwire_[\w{},]+)` \|/gm).sort()).toEqual(expected.sort())
    for (const name of matches(read(operating), /\b(orderwire_\w+)/g))
      expect(metrics.map(metric => metric.name)).toContain(name)
  })

  test('shows every command there is', async () => {
    const rows = rowsOf(operating, 'Commands')
    const pathsOf = ({ name, commands }: Command): string[] => commands?.map(one => `${name} ${one.name}`) ?? [name]
    const commands = (await allCommands()).flatMap(pathsOf)
    expect(commands.length).toBeGreaterThan(20)
    expect(commands.filter(command => !new RegExp(`\`orderwire ${command}\\b`).test(rows))).toEqual([])
  })
})

describe('docs/events.md', () => {
  const text = read('docs/events.md')
  const { order, payment } = OrderPaid.shape.data.shape

  test.each([
    ['the envelope', memberTable(OrderPaid, { but: ['data', 'type'] })],
    ['every `data`', memberTable(OrderPaid.shape.data, { but: ['order', 'payment'] })],
    ['`data.order`', memberTable(order)],
    ['`payment`', memberTable(payment)],
    ['`shipment`', memberTable(OrderShipped.shape.data.shape.shipment)],
    ['`delivery`', memberTable(OrderDelivered.shape.data.shape.delivery)],
    ['`refund`', memberTable(OrderRefunded.shape.data.shape.refund)],
    ['`cancellation`', memberTable(OrderCancelled.shape.data.shape.cancellation)],
  ])("lists the members of %s with the schema's own descriptions", (_of, table) => {
    for (const row of table.split('\n')) {
      expect(row).toMatch(/ \| \S.* \|$|^\|---/)
      expect(text.split('\n')).toContain(row)
    }
  })

  test('shows one sample of each type, valid by the schema, under the heading of the type', () => {
    for (const type of EVENT_TYPES) {
      const section = text.split(`\n## ${type}\n`)[1]?.split('\n## ')[0] ?? ''
      const samples = matches(section, /^```json\n([\s\S]*?)^```$/gm).map(json => OrderEvent.parse(JSON.parse(json)))
      expect(samples.map(event => event.type)).toEqual([type])
    }
  })
})

describe('docs/runbook.md', () => {
  const runbook = read('docs/runbook.md')
  const sources = globSync('src/attention/*.ts', { cwd: root }).map(read).join('\n')
  const kinds = new Set([
    ...matches(sources, /'((?:destination|connection|dead-letter|event-log|process|reconcile|publishing)\.[a-z-]+)'/g),
    ...['store', 'event-log', 'ingest', 'dispatch'].map(part => `${part}.failing`),
    ...['dead-letter', 'quarantine'],
  ])

  test('has a section for every kind of what needs attention, and no other', () => {
    const sections = matches(runbook, /^### (.+)$/gm)
    expect(sections.sort()).toEqual([...kinds].sort())
  })

  test('names every alert', () => {
    expect(ALERT_NAMES.filter(name => !runbook.includes(`\`${name}\``))).toEqual([])
  })
})

describe.each(documents)('%s', document => {
  const text = read(document)
  const prose = text.replaceAll(/^```[\s\S]*?^```$/gm, '')

  test('links to what is there', () => {
    const broken = matches(prose, /\]\(([^)\s]+)\)/g)
      .filter(link => !/^[a-z]+:/.test(link))
      .filter(link => {
        const [path = '', anchor] = link.split('#')
        const file = path === '' ? join(root, document) : resolve(root, dirname(document), path)
        if (!existsSync(file)) return true
        return anchor !== undefined && !anchorsOf(readFileSync(file, 'utf8')).includes(anchor)
      })
    expect(broken).toEqual([])
  })

  test('names files that are there', () => {
    const paths = [
      ...matches(prose, /`((?:docs|src|test|schemas|examples|handlers|bench)\/[\w./-]+\.\w+)`/g),
      ...matches(prose, /`((?:compose\.yaml|Dockerfile|package\.json|README\.md|orderwire\.config\.ts|biome\.json))`/g),
      ...matches(text, /\b(src\/[\w./-]+\.ts)\b/g),
    ]
    // A path in a handler's import is relative to that handler.
    expect([...new Set(paths)].filter(path => !existsSync(join(root, path)))).toEqual([])
  })

  test('names no environment variable that is not read', () => {
    const known = new Set(matches(rowsOf(configuration, 'Environment variables'), /`([A-Z][A-Z_]{3,})`/g))
    const named = matches(text, /\b((?:ORDERWIRE|KAFKA)_[A-Z_]*[A-Z])\b/g)
    expect([...new Set(named)].filter(name => !known.has(name))).toEqual([])
  })
})

/** GitHub's anchors of the headings. */
function anchorsOf(markdown: string): string[] {
  return matches(markdown, /^#{1,6} +(.+)$/gm).map(heading =>
    heading
      .toLowerCase()
      .replaceAll(/[^\p{L}\p{N}\s_-]/gu, '')
      .trim()
      .replaceAll(/\s/g, '-'),
  )
}

test('every document is named by another', () => {
  const all = documents.map(document => [document, read(document)] as const)
  const orphans = documents.filter(
    document =>
      document !== 'README.md' &&
      !all.some(
        ([other, text]) =>
          other !== document && (text.includes(document) || text.includes(`(${relative('docs', document)}`)),
      ),
  )
  expect(orphans).toEqual([])
})
