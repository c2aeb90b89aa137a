import fc from 'fast-check'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { excerpt } from '../../src/destinations/webhooks/excerpt.ts'
import { parseJson } from '../../src/lib/exact-json.ts'
import { readKakacloOrder } from '../../src/sources/kakaclo/kakaclo-row.ts'
import {
  amount,
  emptyAsNull,
  idText,
  quantityOf,
  textOf as readText,
  scalarText,
} from '../../src/sources/shared/parse.ts'
import { readShoplazzaOrder } from '../../src/sources/shoplazza/shoplazza-row.ts'
import { openChain } from './chain.ts'
import { anything } from './mutations.ts'
import { gistsOf, invented, statedBy } from './oracle.ts'
import { named, SAMPLES, type Sample } from './samples.ts'
import { PATIENCE, runs, SEED } from './settings.ts'
import { list, object, raw, string, textOf, treeOf, withValue } from './tree.ts'

/** What was found by trying everything, each by its name; and single readers, tried with everything. */

let chain: Awaited<ReturnType<typeof openChain>>
beforeAll(async () => {
  chain = await openChain()
})
afterAll(() => chain.close())

const sampleOf = (kind: string): Sample => {
  const sample = SAMPLES.find(one => one.kind === kind)
  if (!sample) throw new Error(`there is no sample of ${kind}`)
  return sample
}

describe('a value', () => {
  test.each([
    ['blanks and an x', `${' '.repeat(2_000_000)}x`],
    ['hard blanks', '\u00a0'.repeat(2_000_000)],
    ['line breaks and a null', `${'\n'.repeat(2_000_000)}null `],
  ])('of two million %s is read at once', (_, text) => {
    expect(emptyAsNull(text) === null || emptyAsNull(text) === text).toBe(true)
  })

  test.each([
    ['1e400', 'unreadable'],
    ['1e21', 'unreadable'],
    ['1e-9', 'unreadable'],
    ['1234.5', '1234.5'],
    ['-0', '0'],
    ['12345678901234567890', '12345678901234567890'],
  ])('written as the number %s is no text of our own making', (written, text) => {
    const read = readText(parseJson(written))
    expect(read.state === 'given' ? read.value : read.state).toBe(text)
  })

  test.each([
    ['12345678901234567890', null],
    ['9007199254740993', null],
    ['"12345678901234567890"', null],
    ['"0.12345678901234567890"', null],
    ['1e300', null],
    ['1e400', null],
    ['-1', null],
    ['"00012"', 12],
    ['2.5', 2.5],
  ])('written as %s is no other count', (written, count) => {
    const read = quantityOf(parseJson(written))
    expect(read.state === 'given' ? read.value : null).toBe(count)
  })

  test.each([
    ['123456789012345678901e-2', '1234567890123456789.01'],
    ['12345678901234567e3', '12345678901234567000.00'],
    ['4503599627370496.1', '4503599627370496.10'],
    ['0.1234567890123456789', '0.12'],
  ])('written as the number %s is the amount %s to the cent', (written, exact) => {
    expect(amount(parseJson(written), 'USD')).toEqual({ state: 'given', value: exact })
  })

  test.each(['.', '..', 'M\ufffdller', 'a\u0000b', '\ud800', 'x'.repeat(256)])('%j is no id', id => {
    expect(idText(id).state).toBe('unreadable')
  })

  test.each(['{"toString":1}', '{"valueOf":1,"toString":null}', `${'['.repeat(100_000)}${']'.repeat(100_000)}`])(
    'that is no scalar is none as a code either: %.40s',
    written => expect(scalarText(parseJson(written))).toBe('(no scalar)'),
  )
})

describe('JSON', () => {
  test.each([
    '{12345678901234567890:1}',
    '{ 12345678901234567890:1}',
    '{"a":1,12345678901234567890 : 1}',
    '[1234567890123456-2]',
    '[01234567890123456789]',
    '["a"12345678901234567890]',
    '[12345678901234567890 1]',
  ])('%s stays what it is: none', text => {
    expect(() => parseJson(text)).toThrow('not JSON')
  })

  test('with one long number is read however deep and large it is', () => {
    expect(parseJson(`[12345678901234567890,${'['.repeat(200_000)}${']'.repeat(200_000)}]`)).toHaveLength(2)
    expect(parseJson(`[12345678901234567890${',1'.repeat(2_000_000)}]`)).toHaveLength(2_000_001)
  })

  test('keeps long numbers to the digit and everything else as it is', () => {
    const words = fc.oneof(
      fc.string({ unit: 'binary' }),
      fc.constantFrom('"', '\\', '\\"', '12345678901234567890', ': 12345678901234567890,', '[-12345678901234567890]'),
    )
    const numbers = fc.bigInt({ min: -(10n ** 30n), max: 10n ** 30n })
    fc.assert(
      fc.property(fc.array(fc.tuple(words, numbers)), pairs => {
        const text = `{ "x" : [ ${pairs.map(([word, number]) => `{${JSON.stringify(word)} : ${number} }, ${JSON.stringify(word)}`).join(' , ')} ] }`
        const expected = pairs.flatMap(([word, number]) => [
          Object.fromEntries([[word, Number.isSafeInteger(Number(number)) ? Number(number) : String(number)]]),
          word,
        ])
        expect(parseJson(text)).toEqual({ x: expected })
      }),
      runs(100),
    )
  })
})

describe('an order', () => {
  const shipped = { status: 'shipped', tracking_number: 'T1', trackingCode: 'T1', deliveryTime: '2026-01-01T00:00:00Z' }

  test.each([[{ id: { x: 1 } }], [{ id: true }], [{ id: 'x'.repeat(300) }]])(
    'whose package has an id that cannot be read says nothing of it yet: it would be another package once it can',
    ({ id }) => {
      const kakaclo = readKakacloOrder(
        { id: 'o', status: 'processing', fulfillments: [{ ...shipped, id }] },
        { currency: 'USD' },
      )
      const shoplazza = readShoplazzaOrder({ id: 'o', status: 'placed', fulfillments: [{ ...shipped, id }] })
      for (const read of [kakaclo, shoplazza]) {
        expect(read).toMatchObject({ packages: [{ shipped: null, delivered: null }] })
        expect('doubts' in read && read.doubts.map(({ path }) => path)).toEqual(['fulfillments[0].id'])
      }
    },
  )

  test('of a hundred thousand odd parts has so many doubts as a person can read', async () => {
    const sample = sampleOf('shoplazza 2022-01')
    const ones = raw(`[${'1,'.repeat(15_000)}1]`)
    const seen = await chain.poll(
      sample.kind,
      sample.answering([withValue(named(sample, sample.row, 'o'), ['line_items'], ones)]),
    )
    expect(seen.error).toBeNull()
    expect(seen.events.length).toBeGreaterThan(3)
    expect(seen.quarantine.length).toBeLessThanOrEqual(51)
    expect(seen.quarantine.length).toBeGreaterThan(10)
  })

  test('larger than a topic takes is told without its lines, and the quarantine says so', async () => {
    const sample = sampleOf('shoplazza 2022-01')
    const lines = list(
      ...Array.from({ length: 400 }, (_, n) =>
        object({ id: string(`l-${n}`), product_title: string('ü'.repeat(3_000)) }),
      ),
    )
    const seen = await chain.poll(
      sample.kind,
      sample.answering([withValue(named(sample, sample.row, 'o'), ['line_items'], lines)]),
    )
    expect(seen.events.length).toBeGreaterThan(3)
    for (const body of seen.bodies) expect(Buffer.byteLength(body)).toBeLessThan(1_000_000)
    expect(seen.quarantine).toMatchObject([{ orderId: 'o', reason: expect.stringContaining('its lines are missing') }])
  })

  test('with a time of cancellation that is no time is not cancelled', async () => {
    const sample = sampleOf('tuya')
    for (const value of ['false', '{}', '-1', '1e400'])
      expect(
        (
          await chain.poll(
            sample.kind,
            sample.answering([withValue(named(sample, sample.row, 'o'), ['canceled_time'], raw(value))]),
          )
        ).events.map(({ type }) => type),
      ).not.toContain('order.cancelled')
  })
})

describe('a vendor', () => {
  test.each(SAMPLES.map(({ kind }) => kind))('%s with forty times the rows of a page is asked for less', async kind => {
    const rows = raw(`[${'1,'.repeat(10_000)}1]`)
    const seen = await chain.poll(kind, (request, response) => {
      if (/token\?/.test(request.url ?? '')) return sampleOf('tuya').answering([])(request, response)
      const data = object({ total: raw('3'), list: rows, data_list: rows })
      response.end(textOf(object({ code: raw('10000'), success: raw('true'), orders: rows, data, result: data })))
    })
    expect(seen.error).toMatchObject({ code: 'vendor.too_large', intent: 'narrow' })
    expect(seen.quarantine).toEqual([])
  })

  test('whose clock is years ahead moves no cursor beyond our own', async () => {
    const sample = sampleOf('kakaclo v2')
    const seen = await chain.poll(sample.kind, sample.answering([]), { vendorNow: () => Date.UTC(2090, 0) })
    expect(seen.cursor).toBeLessThanOrEqual(Date.now())
  })

  test.each(['constructor', '__proto__', 'toString'])(
    'of Tuya that fails with the code %s is tried again',
    async code => {
      const seen = await chain.poll(
        'tuya',
        (_, response) => void response.end(JSON.stringify({ success: false, code })),
      )
      expect(seen.error).toMatchObject({ code: 'tuya.failed', intent: 'retry' })
    },
  )
})

describe(`refund records (seed ${SEED})`, () => {
  const sample = sampleOf('shoplazza 2022-01')
  const record = treeOf(
    '{"id":"r-1","order_id":"o","refund_price":"9.99","currency":"USD","status":"finished","refund_reason":"broken","updated_at":"2026-03-09T16:20:00Z","payment_details":[{"finished_at":"2026-03-09T16:19:00Z"}]}',
  )
  const names = [
    'id',
    'order_id',
    'refund_price',
    'currency',
    'status',
    'refund_reason',
    'updated_at',
    'payment_details',
  ]

  test(
    'that are odd say nothing that they do not state, and cost no other fact',
    async () => {
      const row = named(sample, sample.row, 'o')
      const usual = await chain.poll(sample.kind, sample.answering([row], [record]))
      const others = (gists: readonly string[]) => gists.filter(gist => !gist.includes('order.refunded'))
      expect(gistsOf(usual, 'o').length).toBeGreaterThan(others(gistsOf(usual, 'o')).length)
      await fc.assert(
        fc.asyncProperty(fc.constantFrom(...names), anything, async (name, value) => {
          const odd = withValue(record, [name], value)
          const seen = await chain.poll(sample.kind, sample.answering([row], [odd]))
          expect(seen.error).toBeNull()
          expect(others(gistsOf(seen, 'o'))).toEqual(others(gistsOf(usual, 'o')))
          const stated = statedBy([row, odd])
          expect(
            seen.events.flatMap((event, index) => invented(event, seen.bodies[index] ?? '', stated, sample.kind)),
          ).toEqual([])
        }),
        runs(15),
      )
    },
    PATIENCE,
  )
})

describe(`the kept part of an answer (seed ${SEED})`, () => {
  const part = fc.oneof(
    fc.constantFrom(
      'token',
      'secret',
      'api_key',
      'Bearer ',
      'basic ',
      'whsec_',
      '"',
      "'",
      ':',
      '=',
      ' ',
      '\n',
      '@',
      '.',
      '-',
      'a',
      'é',
      '\u{1f600}',
      '\u0000',
      '\u0085',
      '\\',
    ),
    fc.string({ unit: 'binary', maxLength: 5 }),
  )
  test(
    'is text that can be stored, of any bytes, and none take long',
    () => {
      fc.assert(
        fc.property(
          fc.array(part, { minLength: 1, maxLength: 6 }),
          fc.integer({ min: 1, max: 16_384 }),
          fc.uint8Array({ maxLength: 20 }),
          (parts, times, more) => {
            const bytes = Buffer.concat([Buffer.from(parts.join('').repeat(times).slice(0, 16_384)), more])
            const kept = excerpt([bytes], undefined) ?? ''
            expect(kept.length).toBeLessThanOrEqual(2_048)
            expect(kept.isWellFormed()).toBe(true)
            // biome-ignore lint/suspicious/noControlCharactersInRegex: that is what is looked for
            expect(kept).not.toMatch(/[\u0000-\u0008\u007f]/)
          },
        ),
        runs(100),
      )
    },
    PATIENCE,
  )

  test('hides a secret wherever it stands', () => {
    const around = fc
      .string({ unit: 'grapheme-ascii', maxLength: 30 })
      .map(text => text.replace(/[A-Za-z0-9+/=_-]/g, '.'))
    fc.assert(
      fc.property(around, around, (before, after) => {
        const secret = `whsec_${'Ab3'.repeat(12)}`
        expect(excerpt([Buffer.from(`${before}${secret}${after}`)], undefined)).not.toContain('Ab3Ab3')
      }),
      runs(200),
    )
  })
})
