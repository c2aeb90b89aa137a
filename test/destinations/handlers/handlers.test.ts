import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { DEFAULT_DELIVERY } from '../../../schemas/config.ts'
import { defineHandler, GiveUp, type HandlerContext } from '../../../src/destinations/handlers/define-handler.ts'
import { handlerDestination } from '../../../src/destinations/handlers/handler-destination.ts'
import { readHandler } from '../../../src/destinations/handlers/handler-file.ts'
import { loadHandlers } from '../../../src/destinations/handlers/handlers.ts'
import { runHandler } from '../../../src/destinations/handlers/run-handler.ts'
import type { Outcome } from '../../../src/dispatch/destination.ts'
import { type Owner, ownerNow } from '../../../src/lib/accidents.ts'
import { silent } from '../../dispatch/rig.ts'
import { eventRecord } from '../../helpers/event-records.ts'
import { memoryClock } from '../../helpers/memory-clock.ts'

const clock = memoryClock()
const deps = { delivery: DEFAULT_DELIVERY, clock, log: silent }
const event = eventRecord()

function deliver(
  run: (...args: never[]) => unknown,
  more: { signal?: AbortSignal; attempt?: number } = {},
): Promise<Outcome> {
  const handler = readHandler('h.ts', { on: '*', run })
  const context = { attempt: more.attempt ?? 1, replay: false, signal: more.signal ?? new AbortController().signal }
  return handlerDestination('h', handler, deps).deliver(event, context)
}

const thenable = (then: unknown) => Object.fromEntries([['then', then]])

describe('a handler', () => {
  test('acknowledges by returning, at once or later', async () => {
    expect(await deliver(() => {})).toMatchObject({ result: 'delivered', error: null, response: null })
    expect(await deliver(async () => {})).toMatchObject({ result: 'delivered' })
  })

  test('is given the event, its attempt, a log and a signal', async () => {
    let given: { event: unknown; context: HandlerContext } | undefined
    await deliver(
      (one: never, context: never) => {
        given = { event: one, context }
      },
      { attempt: 3 },
    )
    expect(given?.event).toEqual(JSON.parse(event.body))
    expect(given?.context.attempt).toBe(3)
    expect(given?.context.signal.aborted).toBe(false)
    expect(() => given?.context.log.info('hello', { x: 1 })).not.toThrow()
  })

  test('cannot change the event for others', async () => {
    await deliver((one: never) => Object.assign(one, { id: 'changed' }))
    let seen: { id?: string } = {}
    await deliver((one: never) => {
      seen = one
    })
    expect(seen.id).toBe(event.id)
  })

  test.each([
    ['an error', new Error('no luck'), 'no luck'],
    ['a string', 'no luck', 'no luck'],
    ['undefined', undefined, 'undefined'],
    ['null', null, 'null'],
    ['an object without prototype', Object.create(null), 'it threw something that cannot be described'],
    [
      'an object that throws when described',
      {
        toString: () => {
          throw new Error('x')
        },
      },
      'it threw something that cannot be described',
    ],
  ])('asks for a retry by throwing %s', async (_, thrown, error) => {
    const expected = { result: 'retry', error }
    expect(
      await deliver(() => {
        throw thrown
      }),
    ).toMatchObject(expected)
    expect(
      await deliver(async () => {
        throw thrown
      }),
    ).toMatchObject(expected)
  })

  test('gives up by throwing GiveUp, also one of another copy of the module', async () => {
    class Foreign extends Error {
      override name = 'GiveUp'
    }
    for (const error of [new GiveUp('never'), new Foreign('never')])
      expect(
        await deliver(() => {
          throw error
        }),
      ).toMatchObject({ result: 'give-up', error: 'never' })
  })

  test.each([[1], ['text'], [null], [thenable('no function')], [Symbol('x')]])('may return %s', async value => {
    expect(await deliver(() => value)).toMatchObject({ result: 'delivered' })
  })

  test('that returns a thenable which throws asks for a retry', async () => {
    const broken = thenable(() => {
      throw new Error('broken')
    })
    expect(await deliver(() => broken)).toMatchObject({ result: 'retry', error: 'broken' })
  })

  test('that never settles fails at the timeout, and its signal aborts', async () => {
    let signal: AbortSignal | undefined
    const outcome = deliver((_: never, context: HandlerContext) => {
      signal = context.signal
      return new Promise(() => {})
    })
    await clock.advance(DEFAULT_DELIVERY.timeout)
    expect(await outcome).toMatchObject({ result: 'retry', error: 'not done within 15000 ms' })
    expect(signal?.aborted).toBe(true)
  })

  test('with an error that nobody caught fails its delivery; once the delivery is over, it is a line in the log only', async () => {
    const said: unknown[] = []
    const accident = (inFlight: boolean) =>
      runHandler({
        run: () => {
          owner = ownerNow()
          return inFlight ? new Promise<void>(() => {}) : undefined
        },
        body: event.body,
        attempt: 1,
        log: { info() {}, warn() {}, error() {} },
        accident: (error, flying) => said.push([error.message, flying]),
      })
    let owner: Owner | undefined
    const flying = accident(true)
    owner?.accident(new Error('in flight'))
    expect(await flying.outcome).toMatchObject({ result: 'retry', error: 'in flight' })
    const over = accident(false)
    expect(await over.outcome).toMatchObject({ result: 'delivered' })
    owner?.accident(new Error('too late'))
    expect(said).toEqual([
      ['in flight', true],
      ['too late', false],
    ])
    expect(ownerNow()).toBeUndefined()
  })

  test('that settles after the timeout changes nothing any more', async () => {
    const late = Promise.withResolvers<void>()
    const outcome = deliver(() => late.promise)
    await clock.advance(DEFAULT_DELIVERY.timeout)
    late.reject(new Error('late'))
    await clock.flush()
    expect(await outcome).toMatchObject({ result: 'retry', error: 'not done within 15000 ms' })
  })

  test('is aborted at shutdown, whatever it does then', async () => {
    const abort = new AbortController()
    let inner: AbortSignal | undefined
    const outcome = deliver(
      (_: never, context: HandlerContext) => {
        inner = context.signal
        return new Promise((_, reject) => context.signal.addEventListener('abort', () => reject(new Error('stopped'))))
      },
      { signal: abort.signal },
    )
    abort.abort()
    expect(await outcome).toMatchObject({ result: 'aborted' })
    expect(inner?.aborted).toBe(true)
    expect(await deliver(() => {}, { signal: abort.signal })).toMatchObject({ result: 'aborted' })
  })

  test('wants the types it says', () => {
    const some = defineHandler({ on: ['order.paid'], run: () => {} })
    expect(handlerDestination('h', readHandler('h.ts', some), deps).types).toEqual(new Set(['order.paid']))
    expect(
      handlerDestination('h', readHandler('h.ts', defineHandler({ on: '*', run: () => {} })), deps).types,
    ).toBeNull()
  })
})

describe('a folder of handlers', () => {
  let folder: string
  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'handlers-'))
  })
  afterEach(() => rm(folder, { recursive: true }))

  const write = (file: string, text: string) => writeFile(join(folder, file), text)
  const good = 'export default { on: ["order.paid"], run() {} }'

  test('has one destination per file, named after it; tests, declarations and helpers are passed over', async () => {
    await write('billing.mjs', good)
    await write('mail.ts', 'const types: string = "*"\nexport default { on: types, run(): void {} }')
    await write('stock.js', good)
    await write('mail.test.ts', 'throw new Error("not to be loaded")')
    await write('types.d.ts', 'declare const x: number')
    await write('_shared.ts', 'throw new Error("not to be loaded")')
    await write('.hidden.mjs', 'throw new Error("not to be loaded")')
    await write('README.md', '# handlers')
    await mkdir(join(folder, 'lib'))
    const found = await loadHandlers(folder, deps)
    expect(found.map(({ id, kind, state }) => ({ id, kind, state }))).toEqual(
      ['billing', 'mail', 'stock'].map(id => ({ id, kind: 'handler', state: 'active' })),
    )
  })

  test.each([
    ['no default export', 'export const x = 1'],
    ['a function as default export', 'export default () => {}'],
    ['no `run`', 'export default { on: "*" }'],
    ['an unknown type', 'export default { on: ["order.eaten"], run() {} }'],
    ['no types at all', 'export default { on: [], run() {} }'],
    ['a syntax error', 'export default {'],
    ['an error while it loads', 'throw new Error("no database")'],
  ])('with a file that has %s is refused, and the error names the file', async (_, text) => {
    await write('bad.mjs', text)
    await expect(loadHandlers(folder, deps)).rejects.toMatchObject({
      code: 'handlers.unfit',
      intent: 'fix',
      message: expect.stringContaining(join(folder, 'bad.mjs')),
    })
  })

  test.each([
    [
      'on: ["order.paid", "order.payed"], run() {}',
      /on\[1\]: expected "order\.paid" or .*"order\.cancelled".*, found "order\.payed"/,
    ],
    ['on: "order.paid", run() {}', /on: expected a list of event types, or "\*" for all, found "order\.paid"/],
    ['on: "*"', /run: expected a function, found nothing/],
    ['on: "*", run() {}, isolated: true', /isolated: expected a known key/],
    ['on: "*", run() {}, isolate: "yes"', /isolate: expected true or false, found "yes"/],
    [
      'on: "*", run() {}, delivery: { timeout: "5 seconds" }',
      /delivery\.timeout: expected a duration .*, found "5 seconds"/,
    ],
    ['on: "*", run() {}, delivery: { retires: [] }', /delivery\.retires: expected a known key/],
    [
      'on: "*", run() {}, delivery: { retries: ["80d", "11d"] }',
      /delivery\.retries: expected pauses .* `retention\.events` \(90d\), and these are 91d/,
    ],
  ])('names the file, the key, what was expected and what was found: { %s }', async (definition, says) => {
    await write('bad.mjs', `export default { ${definition} }`)
    const loading = loadHandlers(folder, { ...deps, keepEventsMs: 90 * 86_400_000 })
    await expect(loading).rejects.toThrow(says)
    await expect(loading).rejects.toThrow(join(folder, 'bad.mjs'))
  })

  test('has the delivery options that its files say, over the global ones', async () => {
    await write(
      'picky.mjs',
      'export default { on: "*", run() {}, delivery: { timeout: "30s", retries: ["1m"], concurrency: 2, rateLimit: "5/s", onExhausted: "hold" } }',
    )
    await write('plain.mjs', good)
    const [picky, plain] = await loadHandlers(folder, deps)
    expect(picky?.delivery).toEqual({
      timeout: 30_000,
      retries: [60_000],
      concurrency: 2,
      rateLimit: { perSecond: 5, burst: 5 },
      onExhausted: 'hold',
    })
    expect(plain?.delivery).toEqual(DEFAULT_DELIVERY)
    expect(picky?.digest).not.toBe(plain?.digest)
  })

  test('with two files of one name, or a name that is no id, is refused', async () => {
    await write('same.mjs', good)
    await write('same.js', good)
    await expect(loadHandlers(folder, deps)).rejects.toMatchObject({ code: 'handlers.unfit' })
    await rm(join(folder, 'same.js'))
    await write('with space.mjs', good)
    await expect(loadHandlers(folder, deps)).rejects.toThrow(/with space\.mjs/)
  })

  test('that is not there is refused', async () => {
    await expect(loadHandlers(join(folder, 'nowhere'), deps)).rejects.toMatchObject({ code: 'config.no_handlers' })
  })

  test('as shipped can be loaded', async () => {
    const shipped = await loadHandlers(new URL('../../../handlers', import.meta.url).pathname, deps)
    expect(shipped.map(({ id }) => id)).toContain('print')
  })
})
