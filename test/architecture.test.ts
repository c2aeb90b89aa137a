import { readdirSync, readFileSync } from 'node:fs'
import { basename, dirname, join, relative, resolve } from 'node:path'
import { describe, expect, test } from 'vitest'

/** The house, read from the imports: docs/design.md says why each layer lies where it does. */

const ROOT = resolve(import.meta.dirname, '..')

/** From the ground up. A folder imports from its own layer's left, and from lower layers. */
const LAYERS: readonly (readonly string[])[] = [
  ['lib'],
  ['telemetry', 'config', 'order', 'receiver'],
  ['sources', 'store', 'event-log', 'sandbox'],
  ['ingest', 'dispatch', 'verify', 'attention'],
  ['destinations', 'alerts'],
  ['api', 'console', 'process'],
  ['app.ts', 'index.ts'],
  ['cli'],
  ['main.ts'],
]

/** Only these may be imported from outside, where a folder is a port with adapters behind it. A folder ends with a slash. */
const PORTS: Readonly<Record<string, readonly string[]>> = {
  store: ['store/store.ts', 'store/port/', 'store/sealed.ts'],
  sources: ['sources/source.ts'],
  'event-log': ['event-log/event-log.ts', 'event-log/ahead.ts'],
  // Notices are sent and redacted as webhooks are.
  destinations: ['egress', 'excerpt', 'send'].map(file => `destinations/webhooks/${file}.ts`),
  sandbox: ['sandbox/configuration.ts'],
}

interface Import {
  readonly from: string
  readonly to: string
}

const filesOf = (folder: string) =>
  readdirSync(join(ROOT, folder), { recursive: true, encoding: 'utf8' }).filter(file => file.endsWith('.ts'))

const imports: readonly Import[] = ['src', 'schemas', 'handlers'].flatMap(folder =>
  filesOf(folder).flatMap(file => {
    const path = join(ROOT, folder, file)
    const targets = [...readFileSync(path, 'utf8').matchAll(/(?:from|import\()\s*'(\.{1,2}\/[^']+)'/g)]
    return targets.map(([, target = '']) => ({
      from: relative(ROOT, path),
      to: relative(ROOT, resolve(dirname(path), target)),
    }))
  }),
)

/** `src/dispatch/lanes.ts` → `dispatch`; a file directly in src is a place of its own. */
const placeOf = (file: string): string => file.split('/')[1] ?? ''
const layerOf = (file: string): number => LAYERS.findIndex(layer => layer.includes(placeOf(file)))
const ours = imports.filter(({ from, to }) => from.startsWith('src/') && to.startsWith('src/'))
const show = ({ from, to }: Import) => `${from} → ${to}`

/** The circles of a graph, each once, as the names on their way. */
function circlesIn(edges: readonly (readonly [from: string, to: string])[]): string[] {
  const next = new Map<string, Set<string>>()
  for (const [from, to] of edges) next.set(from, (next.get(from) ?? new Set()).add(to))
  const done = new Set<string>()
  const circles: string[] = []
  const visit = (name: string, path: readonly string[]): void => {
    if (path.includes(name)) circles.push([...path.slice(path.indexOf(name)), name].join(' → '))
    if (done.has(name) || path.includes(name)) return
    for (const target of next.get(name) ?? []) visit(target, [...path, name])
    done.add(name)
  }
  for (const name of next.keys()) visit(name, [])
  return circles
}

describe('the imports', () => {
  test('of src come from a place in the layers, and no file lies loose but main.ts, index.ts and app.ts', () => {
    const places = new Set(filesOf('src').map(file => placeOf(`src/${file}`)))
    expect([...places].sort()).toEqual(LAYERS.flat().sort())
  })

  test('point from a layer to itself or to a lower one', () => {
    expect(ours.filter(({ from, to }) => layerOf(to) > layerOf(from)).map(show)).toEqual([])
  })

  test('of lib are of lib, and those of the receiver are types of the event only', () => {
    const wrong = imports.filter(
      ({ from, to }) =>
        (from.startsWith('src/lib/') && !to.startsWith('src/lib/') && to !== 'package.json') ||
        (from.startsWith('src/receiver/') && !to.startsWith('src/receiver/') && to !== 'schemas/order-event.ts'),
    )
    expect(wrong.map(show)).toEqual([])
  })

  test('of a port come from outside only through the port; app.ts alone knows the adapters', () => {
    const wrong = ours.filter(({ from, to }) => {
      const port = PORTS[placeOf(to)]
      if (placeOf(from) === placeOf(to) || ['src/app.ts', 'src/index.ts'].includes(from) || !port) return false
      return !port.some(one => to.startsWith(`src/${one}`))
    })
    expect(wrong.map(show)).toEqual([])
  })

  test('of schemas are of schemas, and handlers import the package by its name', () => {
    const wrong = imports.filter(
      ({ from, to }) => (from.startsWith('schemas/') && !to.startsWith('schemas/')) || from.startsWith('handlers/'),
    )
    expect(wrong.map(show)).toEqual([])
  })

  test('form no circle of files, and none of folders', () => {
    expect(circlesIn(imports.map(({ from, to }) => [from, to]))).toEqual([])
    const folders = ours.map(({ from, to }) => [placeOf(from), placeOf(to)] as const)
    expect(circlesIn(folders.filter(([from, to]) => from !== to))).toEqual([])
  })
})

const srcFiles = filesOf('src')
const filesWith = (pattern: RegExp) =>
  srcFiles.filter(file => pattern.test(readFileSync(join(ROOT, 'src', file), 'utf8')))

describe('only', () => {
  test('the configuration and main.ts read the environment, and only main.ts ends the process', () => {
    const inConfig = (file: string) => file.startsWith('config/') || file === 'main.ts'
    expect(filesWith(/process\.env\b/).filter(file => !inConfig(file))).toEqual([])
    expect(filesWith(/process\.exit\(/)).toEqual(['main.ts'])
  })

  test('lib/clock.ts reads a clock or sets a timer; the receiver runs in other programs', () => {
    const timers = /\bDate\.now\(|\bnew Date\(\)|\bsetTimeout\(|\bsetInterval\(|\bperformance\.now\(/
    const elsewhere = filesWith(timers).filter(file => file !== 'lib/clock.ts' && !file.startsWith('receiver/'))
    expect(elsewhere).toEqual([])
  })

  test('event-log/kafka knows kafkajs', () => {
    expect(filesWith(/from 'kafkajs'/).filter(file => !file.startsWith('event-log/kafka/'))).toEqual([])
  })
})

/** Without comments: those may give an example. Strings are kept. */
const codeOf = (text: string) => text.replaceAll(/\/\*[\s\S]*?\*\/|(?<!:)\/\/.*$/gm, '')

test('the name of a vendor stands in sources, schemas/vendor and sandbox, and nowhere else', () => {
  const allowed = /^(src\/(sources|sandbox|store\/migrations)|schemas\/(vendor|generated))\//
  const named = ['src', 'schemas']
    .flatMap(folder => filesOf(folder).map(file => `${folder}/${file}`))
    .filter(file => !allowed.test(file))
    .filter(file => /kakaclo|tuya|shoplazza/i.test(codeOf(readFileSync(join(ROOT, file), 'utf8'))))
  expect(named).toEqual([])
})

test('no two files in src have one name', () => {
  const faces = new Set([
    'api/routes',
    'store/port',
    'store/sql',
    'store/migrations',
    'sandbox',
    'cli',
    'cli/commands',
    'console/pages',
  ])
  const names = srcFiles.filter(file => !faces.has(dirname(file))).map(file => basename(file))
  expect(names.filter((name, index) => names.indexOf(name) !== index)).toEqual([])
})
