import { readdirSync, readFileSync } from 'node:fs'
import { dirname, join, relative, resolve } from 'node:path'
import { expect, test } from 'vitest'

/** The arrows of docs/design.md, read from the imports: data enters at sources, leaves at webhook or a handler, and never turns back. */

const ROOT = resolve(import.meta.dirname, '..')

/** Which folders of src each folder may import, besides itself, schemas and lib. `.`: the files directly in src that everybody may use. */
const ALLOWED: Readonly<Record<string, readonly string[]>> = {
  lib: [],
  order: [],
  sources: ['.', 'lib'],
  store: ['.', 'order', 'sources', 'event-log'],
  'event-log': ['.', 'order', 'store'],
  ingest: ['.', 'lib', 'order', 'sources', 'store', 'event-log'],
  verify: ['.', 'order', 'store', 'event-log'],
  webhook: ['.', 'order', 'dispatch', 'store', 'event-log'],
  dispatch: ['.', 'order', 'store', 'event-log'],
  sandbox: ['.'],
  http: ['.', 'order', 'store', 'event-log', 'dispatch', 'verify'],
  cli: ['.', 'http', 'app'],
}

/** Only these (a folder ends with a slash) may be imported across folders, where a folder is a port with adapters behind it. */
const PORTS: Readonly<Record<string, readonly string[]>> = {
  store: ['store/store.ts', 'store/port/'],
  sources: ['sources/source.ts'],
  'event-log': ['event-log/event-log.ts', 'event-log/ahead.ts', 'event-log/partition.ts'],
}

interface Import {
  readonly from: string
  readonly to: string
}

const imports: readonly Import[] = ['src', 'schemas', 'handlers'].flatMap(folder =>
  readdirSync(join(ROOT, folder), { recursive: true, encoding: 'utf8' })
    .filter(file => file.endsWith('.ts'))
    .flatMap(file => {
      const path = join(ROOT, folder, file)
      const targets = [...readFileSync(path, 'utf8').matchAll(/(?:from|import\()\s*'(\.{1,2}\/[^']+)'/g)]
      return targets.map(([, target = '']) => ({
        from: relative(ROOT, path),
        to: relative(ROOT, resolve(dirname(path), target)),
      }))
    }),
)

const placeOf = (file: string): string =>
  /^src\/(?:([^/]+)\/)?/.exec(file)?.[1] ?? (file === 'src/app.ts' ? 'app' : '.')
const isSource = ({ from, to }: Import) => from.startsWith('src/') && to.startsWith('src/')
const show = ({ from, to }: Import) => `${from} → ${to}`

test('imports point one way', () => {
  const wrong = imports.filter(isSource).filter(({ from, to }) => {
    const [place, target] = [placeOf(from), placeOf(to)]
    const isWiring = ['src/app.ts', 'src/main.ts', 'src/index.ts'].includes(from)
    if (place === target || target === 'lib' || isWiring) return false
    return (
      !ALLOWED[place]?.includes(target) && !(place === '.' && ['.', 'order', 'store', 'event-log'].includes(target))
    )
  })
  expect(wrong.map(show)).toEqual([])
})

test('only app.ts knows which adapter is used; everything else knows the port', () => {
  const wrong = imports.filter(isSource).filter(({ from, to }) => {
    const target = placeOf(to)
    if (placeOf(from) === target || from === 'src/app.ts') return false
    return PORTS[target] !== undefined && !PORTS[target].some(port => to.startsWith(`src/${port}`))
  })
  expect(wrong.map(show)).toEqual([])
})

test('schemas know nothing of the program, and handlers know the event and how to define a handler', () => {
  const wrong = imports.filter(
    ({ from, to }) =>
      (from.startsWith('schemas/') && !to.startsWith('schemas/')) ||
      (from.startsWith('handlers/') &&
        !['src/destinations/handlers/define-handler.ts', 'schemas/order-event.ts'].includes(to)),
  )
  expect(wrong.map(show)).toEqual([])
})

test('no file is imported in a circle', () => {
  const next = new Map<string, string[]>()
  for (const { from, to } of imports) next.set(from, [...(next.get(from) ?? []), to])
  const done = new Set<string>()
  const circles: string[] = []
  const visit = (file: string, path: readonly string[]): void => {
    if (path.includes(file)) circles.push([...path.slice(path.indexOf(file)), file].join(' → '))
    if (done.has(file) || path.includes(file)) return
    for (const target of next.get(file) ?? []) visit(target, [...path, file])
    done.add(file)
  }
  for (const file of next.keys()) visit(file, [])
  expect(circles).toEqual([])
})

const srcFiles = readdirSync(join(ROOT, 'src'), { recursive: true, encoding: 'utf8' }).filter(file =>
  file.endsWith('.ts'),
)
const filesWith = (pattern: RegExp) =>
  srcFiles.filter(file => pattern.test(readFileSync(join(ROOT, 'src', file), 'utf8')))

test('only config.ts and main.ts read the environment, and only main.ts ends the process', () => {
  expect(
    filesWith(/process\.env\b/).filter(file => !['config.ts', 'define-config.ts', 'main.ts'].includes(file)),
  ).toEqual([])
  expect(filesWith(/process\.exit\(/)).toEqual(['main.ts'])
})

test('only clock.ts reads a clock or sets a timer', () => {
  const timers = /\bDate\.now\(|\bnew Date\(\)|\bsetTimeout\(|\bsetInterval\(|\bperformance\.now\(/
  expect(filesWith(timers).filter(file => file !== 'clock.ts' && !file.startsWith('receiver/'))).toEqual([])
})

test('only the files of the Kafka log know kafkajs', () => {
  expect(filesWith(/from 'kafkajs'/).filter(file => !file.startsWith('event-log/kafka'))).toEqual([])
})
