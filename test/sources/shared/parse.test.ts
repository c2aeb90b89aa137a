import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { z } from 'zod'
import { Amount, Timestamp } from '../../../schemas/common.ts'
import { parseJson } from '../../../src/lib/exact-json.ts'
import { minorDigits } from '../../../src/sources/shared/currency.ts'
import { amount, currencyOf, emptyAsNull, idText, quantityOf, textOf, time } from '../../../src/sources/shared/parse.ts'
import { readRows } from '../../../src/sources/shared/read-rows.ts'
import { createReader, reject, shown } from '../../../src/sources/shared/row-reader.ts'

const given = <T>(value: T) => ({ state: 'given', value })
const absent = { state: 'absent' }
const unreadable = { state: 'unreadable', reason: expect.any(String) }

describe('case 3: nothing', () => {
  test.each([null, undefined, '', '  ', 'NULL', 'null', ' Null '])('%j is empty everywhere', value => {
    expect(emptyAsNull(value)).toBeNull()
    for (const reading of [idText, textOf, currencyOf, quantityOf, time]) expect(reading(value)).toEqual(absent)
    expect(amount(value, 'USD')).toEqual(absent)
  })

  test.each([0, false, '0', 'NULLA', []])('%j is not empty', value => {
    expect(emptyAsNull(value)).toEqual(value)
  })
})

describe('case 9: ids', () => {
  test.each([
    ['1000000515397', '1000000515397'],
    [1000000515397, '1000000515397'],
    [' 12 ', '12'],
    [0, '0'],
    ['9007199254740993', '9007199254740993'],
  ])('%j is %j', (value, id) => {
    expect(idText(value)).toEqual(given(id))
  })

  test.each([2 ** 53, 1e21, 1.5, Number.NaN, true, {}, ['1'], 'a\nb', 'a\0b', 'a\ud800', 'x'.repeat(256)])(
    '%j is no id',
    value => {
      expect(idText(value)).toEqual(unreadable)
    },
  )

  test('of a JSON number beyond 2^53 every digit stays, at any depth', () => {
    fc.assert(
      fc.property(fc.bigInt({ min: -(10n ** 30n), max: 10n ** 30n }), id => {
        const safe = id >= BigInt(Number.MIN_SAFE_INTEGER) && id <= BigInt(Number.MAX_SAFE_INTEGER)
        expect(parseJson(`{"a":[{"id":${id}}]}`)).toEqual({ a: [{ id: safe ? Number(id) : String(id) }] })
      }),
    )
  })

  test('long digits within strings change nothing', () => {
    expect(parseJson('{"url":"x:12345678901234567890","n":1.5}')).toEqual({ url: 'x:12345678901234567890', n: 1.5 })
  })
})

describe('amounts', () => {
  test.each([
    ['9.99', 'USD', '9.99'],
    [20.12, 'USD', '20.12'],
    [0, 'USD', '0.00'],
    ['9.3200', 'USD', '9.32'],
    ['9.325', 'USD', '9.33'],
    ['9.3249999999999999999', 'USD', '9.32'],
    ['0.995', 'USD', '1.00'],
    ['007', 'USD', '7.00'],
    ['1.2E+3', 'USD', '1200.00'],
    [1e-7, 'USD', '0.00'],
    ['12', null, '12.00'],
    ['90071992547409.93', 'USD', '90071992547409.93'],
  ])('%j %s is %j', (value, currency, text) => {
    expect(amount(value, currency)).toEqual(given(text))
  })

  test.each([
    ['1200', 'JPY', '1200'],
    [1200.5, 'JPY', '1201'],
    ['1200.00', 'KRW', '1200'],
    ['1.5', 'KWD', '1.500'],
    [2, 'BHD', '2.000'],
    ['1.23456', 'CLF', '1.2346'],
  ])('case 34: %j %s is %j', (value, currency, text) => {
    expect(amount(value, currency)).toEqual(given(text))
  })

  test.each(['9,99', '-1', -1, 'NaN', 'Infinity', '1e999', '$5', '1 000', '.5', '5.', {}, [], true, Number.NaN])(
    'case 33: %j is unreadable',
    value => {
      expect(amount(value, 'USD')).toEqual(unreadable)
    },
  )

  test('whatever is read has exactly the digits of its currency, and never moves by more than half a unit', () => {
    const text = fc
      .tuple(fc.bigInt({ min: 0n, max: 10n ** 12n }), fc.stringMatching(/^\d{1,6}$/))
      .map(([whole, fraction]) => ({ whole, fraction, text: `${whole}.${fraction}` }))
    fc.assert(
      fc.property(text, fc.constantFrom('USD', 'JPY', 'KWD', null), (value, currency) => {
        const read = amount(value.text, currency)
        if (read.state !== 'given') throw new TypeError(value.text)
        expect(Amount.safeParse(read.value).success).toBe(true)
        expect((read.value.split('.')[1] ?? '').length).toBe(minorDigits(currency))
        const millionths = (decimal: string) => {
          const [whole = '0', fraction = ''] = decimal.split('.')
          return BigInt(whole + fraction.padEnd(6, '0'))
        }
        const moved = millionths(read.value) - millionths(value.text)
        const half = 10n ** BigInt(6 - minorDigits(currency)) / 2n
        expect(moved <= half && moved > -half).toBe(true)
      }),
    )
  })
})

describe('currencies', () => {
  test.each([
    ['USD', 'USD'],
    [' usd ', 'USD'],
  ])('%j is %j', (value, code) => {
    expect(currencyOf(value)).toEqual(given(code))
  })

  test.each(['dollar', 'US', 840, {}])('%j is unreadable', value => {
    expect(currencyOf(value)).toEqual(unreadable)
  })
})

describe('times', () => {
  test.each([
    ['2022-11-01T06:21:20Z', '2022-11-01T06:21:20.000Z'],
    ['2022-11-01t06:21:20.123456z', '2022-11-01T06:21:20.123Z'],
    ['2022-11-01T06:21:20.5Z', '2022-11-01T06:21:20.500Z'],
    ['2022-11-01T06:21:20-04:00', '2022-11-01T10:21:20.000Z'],
    ['2022-11-01T06:21:20+0530', '2022-11-01T00:51:20.000Z'],
    ['2022-12-31 23:30:00-01', '2023-01-01T00:30:00.000Z'],
    ['2024-02-29T00:00:00Z', '2024-02-29T00:00:00.000Z'],
  ])('%j is %j', (value, at) => {
    expect(time(value)).toEqual(given(at))
    expect(Timestamp.safeParse(at).success).toBe(true)
  })

  test.each([
    ['20220901', '2022-09-01T00:00:00.000Z'],
    [20220901, '2022-09-01T00:00:00.000Z'],
    ['2022-09-01', '2022-09-01T00:00:00.000Z'],
  ])('case 19: %j is a date, also where epoch numbers are allowed', (value, at) => {
    expect(time(value)).toEqual(given(at))
    expect(time(value, { epoch: true })).toEqual(given(at))
  })

  test.each(['2022-11-01T06:21:20', '2022-11-01 06:21:20'])('case 35: %j names no zone and is UTC, flagged', value => {
    expect(time(value)).toEqual({ ...given('2022-11-01T06:21:20.000Z'), zoneless: true })
  })

  test.each([
    [1662004800, '2022-09-01T04:00:00.000Z'],
    ['1662004800000', '2022-09-01T04:00:00.000Z'],
  ])('epoch %j counts only where it is allowed', (value, at) => {
    expect(time(value, { epoch: true })).toEqual(given(at))
    expect(time(value)).toEqual(unreadable)
  })

  test.each(['0001-01-01T00:00:00Z', '0000-00-00 00:00:00'])('%j is how some servers write "never"', value => {
    expect(time(value)).toEqual(absent)
  })

  test.each([
    '2022-02-30T00:00:00Z',
    '2023-02-29',
    '20221301',
    '2022-11-01T24:00:00Z',
    '2022-11-01T10:60:00Z',
    '2022-11-01T10:00:00+25:00',
    '9999-12-31T23:59:59-05:00',
    'yesterday',
    '123',
    true,
    {},
  ])('%j is unreadable', value => {
    expect(time(value, { epoch: true })).toEqual(unreadable)
  })
})

describe('rows', () => {
  test('what cannot be read is null and a doubt with its path, the rest goes on', () => {
    const read = createReader()
    expect(read.amount('total', '9,99', 'USD')).toBeNull()
    expect(read.time('at', '2022-09-01T00:00:00')).toBe('2022-09-01T00:00:00.000Z')
    expect(read.text('title', ' Cup ')).toBe('Cup')
    expect(read.list('items', [{ id: 1 }, 7], z.object({ id: z.unknown().optional() }))).toEqual([
      { path: 'items[0]', item: { id: 1 } },
    ])
    expect(read.list('none', 'NULL', z.object({}))).toEqual([])
    expect(read.list('odd', { a: 1 }, z.object({}))).toEqual([])
    expect(read.doubts.map(({ path, value }) => [path, value])).toEqual([
      ['total', '"9,99"'],
      ['items[1]', '7'],
      ['odd', 'an object'],
    ])
    expect(read.unreadable('total')).toBe(true)
    expect(read.unreadable('at')).toBe(false)
    expect(read.zoneless).toEqual(['at'])
  })

  test('a doubt shows short values, and of lists and objects only what they are', () => {
    expect(shown({ recipient: 'somebody' })).toBe('an object')
    expect(shown([1, 2])).toBe('a list of 2')
    expect(shown(undefined)).toBe('absent')
    expect(shown('x'.repeat(500))).toHaveLength(200)
  })

  test('a row that breaks its reader is set aside, and the others go on', () => {
    const page = readRows(['bad', 'worse'], row => {
      if (row === 'worse') throw new TypeError('broken')
      return reject('7', 'id', row, 'expected another')
    })
    expect(page).toMatchObject({ orders: [], rejects: [{ orderId: '7' }, { orderId: null, value: '"worse"' }] })
  })
})

describe('values in their plain form', () => {
  test('amounts read as the same digits written in another way', () => {
    const digits = fc.stringMatching(/^(0|[1-9]\d{0,14})(\.\d{1,5})?$/)
    fc.assert(
      fc.property(digits, fc.constantFrom('USD', 'JPY', 'KWD', 'CLF', null), (text, currency) => {
        // A zero in front is not plain, and means nothing.
        expect(amount(text, currency)).toEqual(amount(`0${text}`, currency))
      }),
    )
  })

  test('times read as the same time written in another way', () => {
    const part = fc.integer({ min: 0, max: 61 }).map(number => String(number).padStart(2, '0'))
    const year = fc.constantFrom('0000', '0001', '0002', '1970', '2024', '2026', '9999')
    const fraction = fc.constantFrom('', '.000', '.123', '.999')
    fc.assert(
      fc.property(year, fc.array(part, { minLength: 5, maxLength: 5 }), fraction, (years, [m, d, h, min, s], ms) => {
        const [day, hour] = [`${years}-${m}-${d}`, `${h}:${min}:${s}${ms}`]
        expect(time(`${day}T${hour}Z`)).toEqual(time(`${day} ${hour}Z`))
      }),
      { numRuns: 2_000 },
    )
  })
})
