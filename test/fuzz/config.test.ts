import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import fc from 'fast-check'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { loadConfig } from '../../src/config/config-file.ts'
import { readSettings } from '../../src/config/environment.ts'
import { AppError } from '../../src/lib/errors.ts'
import { temporaryFolder } from '../helpers/temp.ts'
import { anything, mutated, mutations } from './mutations.ts'
import { PATIENCE, runs, SEED } from './settings.ts'
import { at, pathsOf, type Tree, textOf, treeOf, withValue } from './tree.ts'

/** Configurations that are not as they should be: valid, or refused by name (which is exit 2), and no secret is ever shown. */

let folder: Awaited<ReturnType<typeof temporaryFolder>>
let files = 0
beforeAll(async () => {
  folder = await temporaryFolder()
})
afterAll(() => folder.remove())

const CANARY = 'canary-5ecret-of-all'
const WHSEC = `whsec_${'Canary5ecret'.repeat(4)}`
const CANARIES = [CANARY, WHSEC, 'Canary5ecret']

const FULL = treeOf(
  JSON.stringify({
    connections: [
      {
        token: `${CANARY}-1`,
        id: 'kk',
        vendor: 'kakaclo',
        baseUrl: 'https://kk.example/openapi',
        apiVersion: 'v2',
        currency: 'EUR',
        pollEvery: '5s',
        overlap: '10m',
        backfill: '30d',
        rateLimit: '2/s',
        enabled: true,
      },
      {
        clientSecret: `${CANARY}-2`,
        id: 'tuya',
        vendor: 'tuya',
        baseUrl: 'https://tuya.example',
        clientId: 'c',
        mallCode: 'm',
        shopCode: 's',
        statuses: { delivered: ['received'] },
        rateLimit: { perSecond: 2, burst: 40 },
      },
      {
        accessToken: `${CANARY}-3`,
        webhookSecret: `${CANARY}-4`,
        id: 'shop',
        vendor: 'shoplazza',
        baseUrl: 'https://shop.example/openapi/2022-01',
        apiVersion: '2022-01',
        backfill: '2026-01-01',
      },
    ],
    endpoints: [
      {
        secret: WHSEC,
        id: 'billing',
        url: `https://hooks.example/x?key=${CANARY}-5`,
        types: ['order.paid'],
        connections: ['shop'],
        filter: { 'data.order.currency': ['EUR'], 'data.order.total': { gte: '10.00' } },
        headers: { 'x-key': `${CANARY}-6` },
        delivery: { timeout: '15s', retries: ['5s'], concurrency: 4, rateLimit: '2/s', onExhausted: 'hold' },
        description: 'd',
      },
    ],
    handlers: 'handlers',
    network: { allow: ['127.0.0.0/8', 'fd00::/8'] },
    delivery: { timeout: '15s' },
    retention: { events: '90d', attempts: '14d', deadLetters: '90d' },
    sandbox: { port: 0, speed: 1 },
  }),
)

async function load(text: string, ending = 'json'): Promise<unknown> {
  const path = join(folder.path, `c${++files}.${ending}`)
  await writeFile(path, text)
  return loadConfig(path, {}).then(
    () => null,
    (error: unknown) => error,
  )
}

/** Fine, or refused in words for a person. Returns the words. */
function expectRefusedWell(error: unknown): string {
  if (error === null) return ''
  expect(error).toBeInstanceOf(AppError)
  const { code, message } = error as AppError
  expect(code).toBe('config.invalid')
  expect(message).not.toMatch(/^\s+at .*:\d+/m)
  expect(message).not.toMatch(/\[object|undefined\b.*undefined|is not a function|Cannot (read|convert)/)
  for (const canary of CANARIES) expect(message).not.toContain(canary)
  expect(message.length).toBeLessThan(20_000)
  return message
}

describe(`a configuration in JSON (seed ${SEED})`, () => {
  test('as it should be is taken', async () => {
    expect(await load(textOf(FULL))).toBeNull()
  })

  test(
    'that is changed anyhow is valid, or refused without showing a secret',
    async () => {
      await fc.assert(
        fc.asyncProperty(mutations, async changes => {
          expectRefusedWell(await load(textOf(mutated(FULL, changes))))
        }),
        runs(100),
      )
    },
    PATIENCE,
  )

  const scalars = pathsOf(FULL).filter(path => ['raw', 'string'].includes(at(FULL, path)?.kind ?? ''))

  test(
    'with one value that is wrong is refused by the name of that key',
    async () => {
      const wrong = fc.constantFrom('-1.5e300', '[[]]', '{"a":1}', '"\\u0000 no"', 'null', '[null]')
      await fc.assert(
        fc.asyncProperty(fc.constantFrom(...scalars), wrong, async (path, text) => {
          const message = expectRefusedWell(await load(textOf(withValue(FULL, path, { kind: 'raw', text }))))
          const key = path.reduce<string>(
            (name, part) => (typeof part === 'number' ? `${name}[${part}]` : name === '' ? part : `${name}.${part}`),
            '',
          )
          // Text of any kind may describe; elements of a filter's list may be of any kind.
          if (message !== '') expect(message.replace(/^.*is not valid:\n/, '')).toContain(key.replace(/\[\d+\]$/, ''))
        }),
        runs(100),
      )
    },
    PATIENCE,
  )

  test(
    'cut at any place, or of bytes of any kind, is refused',
    async () => {
      const text = textOf(FULL)
      await fc.assert(
        fc.asyncProperty(fc.nat(text.length - 1), fc.string({ unit: 'binary', maxLength: 5 }), async (cut, more) => {
          expectRefusedWell(await load(text.slice(0, cut) + more))
        }),
        runs(60),
      )
    },
    PATIENCE,
  )

  test.each([
    ['nested deeply', `${'['.repeat(100_000)}${']'.repeat(100_000)}`],
    ['nested deeply within', textOf(FULL).replace('"handlers"', `${'{"a":'.repeat(50_000)}1${'}'.repeat(50_000)}`)],
    ['of one member that is nested deeply', `{"connections":${'['.repeat(100_000)}${']'.repeat(100_000)}}`],
    ['empty', ''],
    ['null', 'null'],
    ['a list', '[]'],
    ['a text', `"${CANARY}"`],
    ['of a member __proto__', '{"__proto__":{"connections":[]}}'],
    ['of a token alone', `{"connections":["${CANARY}"]}`],
    [
      'of a URL with a password',
      `{"connections":[{"id":"k","vendor":"kakaclo","token":"t","baseUrl":"https://me:${CANARY}@kk.example"}]}`,
    ],
    ['of a URL that is none, with a key', `{"endpoints":[{"id":"e","url":"hooks.example?key=${CANARY}"}]}`],
    [
      'of a token with a line break',
      `{"connections":[{"id":"k","vendor":"kakaclo","token":"${CANARY}\\n","baseUrl":"https://kk.example"}]}`,
    ],
    [
      'of a token that no header can hold',
      `{"connections":[{"id":"s","vendor":"shoplazza","accessToken":"${CANARY}é","baseUrl":"https://s.example/openapi/2022-01"}]}`,
    ],
    [
      'of a time no clock has',
      '{"connections":[{"id":"k","vendor":"kakaclo","token":"t","baseUrl":"https://kk.example","backfill":"99999999999d"}]}',
    ],
    [
      'of an overlap no clock has',
      `{"connections":[{"id":"k","vendor":"kakaclo","token":"t","baseUrl":"https://kk.example","overlap":"${'9'.repeat(400)}d"}]}`,
    ],
  ])('%s is refused', async (_, text) => {
    expect(expectRefusedWell(await load(text))).not.toBe('')
  })

  test('with a byte order mark is taken', async () => {
    expect(await load(`\ufeff${textOf(FULL)}`)).toBeNull()
  })
})

describe(`a configuration that is a module (seed ${SEED})`, () => {
  const FUZZED = Symbol.for('orderwire.fuzzed')
  const exported: unknown[] = []
  Reflect.set(globalThis, FUZZED, exported)

  const loadValue = (value: unknown): Promise<unknown> => {
    exported.push(value)
    return load(`export default globalThis[Symbol.for('orderwire.fuzzed')][${exported.length - 1}]`, 'mjs')
  }

  const circle: Record<string, unknown> = {}
  circle.connections = [circle]
  /** What a module throws is its author's own word, and may be shown. */
  const throwing = (): never => {
    throw new Error('thrown on purpose')
  }
  /** By name, for not all of them can be printed. */
  const odd: Readonly<Record<string, unknown>> = {
    'a bigint': 10n,
    'a symbol': Symbol(CANARY),
    'a function': () => CANARY,
    'a class': class {},
    'no number': Number.NaN,
    'minus infinity': Number.NEGATIVE_INFINITY,
    'no date': new Date(Number.NaN),
    'a map': new Map([['a', CANARY]]),
    'a set': new Set([CANARY]),
    'an error': new Error(CANARY),
    'an object of nothing': Object.create(null),
    'a circle': circle,
    // biome-ignore lint/suspicious/noSparseArray: that is the point
    'a list with a hole': [, 1],
    'a proxy that throws': new Proxy({}, { get: throwing, ownKeys: throwing }),
    'a member that throws': Object.defineProperty({}, 'id', { get: throwing, enumerable: true }),
    'no text': { toString: null, valueOf: null },
    'a toJSON that throws': { toJSON: throwing },
    'frozen things': Object.freeze([Object.freeze({})]),
    bytes: new Uint8Array(3),
    'a promise': Promise.resolve({}),
  }
  const scalarPaths = pathsOf(FULL)

  function placed(path: readonly (string | number)[], value: unknown): unknown {
    const root: unknown = JSON.parse(textOf(FULL))
    let holder = root
    for (const key of path.slice(0, -1)) holder = Reflect.get(holder as object, key)
    Object.defineProperty(holder, path.at(-1) ?? '', { value, enumerable: true })
    return root
  }

  test('as it should be is taken, and so is the promise of one', async () => {
    expect(await loadValue(JSON.parse(textOf(FULL)))).toBeNull()
    expect(await loadValue(Promise.resolve(JSON.parse(textOf(FULL))))).toBeNull()
  })

  test(
    'and holds anything anywhere is valid, or refused without showing a secret',
    async () => {
      await fc.assert(
        fc.asyncProperty(
          fc.constantFrom<readonly (string | number)[]>([], ...scalarPaths),
          fc.constantFrom(...Object.keys(odd)),
          async (path, name) => {
            const value = odd[name]
            expectRefusedWell(await loadValue(path.length === 0 ? value : placed(path, value)))
          },
        ),
        runs(120),
      )
    },
    PATIENCE,
  )

  test.each(Object.keys(odd))('and holds %s where a connection should be is refused by that place', async name => {
    const message = expectRefusedWell(await loadValue(placed(['connections', 2], odd[name])))
    expect(message).toMatch(/connections\[2\]|something in it throws/)
  })

  test.each([
    ['throws', `throw new Error('no')`],
    ['throws nothing', 'throw undefined'],
    ['throws a text', `throw 'no'`],
    ['is no module', 'export default {'],
    ['imports what is not there', `import './nowhere.mjs'`],
    ['exports nothing', 'export const config = {}'],
    ['promises what it does not keep', `export default Promise.reject(new Error('no'))`],
  ])('and %s is refused', async (_, text) => {
    expect(expectRefusedWell(await load(text, 'mjs'))).not.toBe('')
  })
})

describe(`the environment (seed ${SEED})`, () => {
  const NAMES = [
    'DATABASE_URL',
    'DATABASE_POOL',
    'ORDERWIRE_DATA',
    'KAFKA_BROKERS',
    'KAFKA_SSL',
    'KAFKA_SSL_CA',
    'KAFKA_SSL_CERT',
    'KAFKA_SSL_KEY',
    'KAFKA_SSL_KEY_PASSWORD',
    'KAFKA_SASL_MECHANISM',
    'KAFKA_SASL_USERNAME',
    'KAFKA_SASL_PASSWORD',
    'KAFKA_SASL_TOKEN_FILE',
    'KAFKA_SASL_TOKEN_COMMAND',
    'KAFKA_TOPIC',
    'KAFKA_GROUP',
    'KAFKA_PARTITIONS',
    'KAFKA_REPLICATION',
    'HOST',
    'PORT',
    'ORDERWIRE_API_KEY',
    'ORDERWIRE_SECRET_KEY',
    'ORDERWIRE_PUBLIC_URL',
    'LOG_LEVEL',
    'LOG_FORMAT',
    'ORDERWIRE_URL',
  ]
  const SECRET: Readonly<Record<string, string>> = {
    ORDERWIRE_API_KEY: CANARY,
    ORDERWIRE_SECRET_KEY: CANARY,
    KAFKA_SASL_PASSWORD: CANARY,
    KAFKA_SASL_TOKEN_COMMAND: CANARY,
    KAFKA_SSL_KEY_PASSWORD: CANARY,
    DATABASE_URL: `postgres://me:${CANARY}@db:99999/x`,
    ORDERWIRE_URL: `http://me:${CANARY}@h`,
    ORDERWIRE_PUBLIC_URL: `ftp://me:${CANARY}@h`,
  }
  const value = fc.oneof(
    fc.constantFrom(
      '',
      ' ',
      '0',
      '-1',
      '65536',
      '1e3',
      'true',
      '::',
      '0.0.0.0',
      'localhost',
      'a:1,b:2',
      ':1',
      'a:b',
      'plain',
      'postgres://',
      'postgres://u:p@h/d',
      'http://x',
      '/',
      'a\nb',
      '9'.repeat(400),
    ),
    fc.string({ unit: 'binary', maxLength: 30 }),
  )
  const environment = fc
    .tuple(fc.dictionary(fc.constantFrom(...NAMES), value, { maxKeys: 4 }), fc.subarray(Object.keys(SECRET)))
    .map(([given, secrets]) => ({ ...given, ...Object.fromEntries(secrets.map(name => [name, SECRET[name]])) }))

  test('of any kind is taken, or refused by the name of a variable and without showing a secret', () => {
    fc.assert(
      fc.property(environment, env => {
        let refusal: unknown = null
        try {
          readSettings(env)
        } catch (error) {
          refusal = error
        }
        const message = expectRefusedWell(refusal)
        if (message !== '') expect(NAMES.some(name => message.includes(name))).toBe(true)
      }),
      runs(1_000),
    )
  })

  test(
    'fills in what it holds, and is named where it does not',
    async () => {
      await fc.assert(
        fc.asyncProperty(fc.constantFrom(...pathsOf(FULL)), anything, async (path, other) => {
          const holding: Tree = withValue(withValue(FULL, path, other), path, {
            kind: 'string',
            value: `${'$'}{NOT_SET_ANYWHERE}`,
          })
          expect(expectRefusedWell(await load(textOf(holding)))).toContain('NOT_SET_ANYWHERE')
        }),
        runs(40),
      )
    },
    PATIENCE,
  )
})
