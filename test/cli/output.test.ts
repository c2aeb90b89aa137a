import { describe, expect, test } from 'vitest'
import { OrderEvent } from '../../schemas/order-event.ts'
import { createOutput, eventLine } from '../../src/cli/output.ts'
import { visibleLine } from '../../src/lib/control-characters.ts'
import { createReader } from '../../src/sources/shared/row-reader.ts'

const REASON = 'no\r\nshop/1 #1  paid\u0000 \u001b[2J\u009b31m\u202e'

function printed(json: boolean, print: (output: ReturnType<typeof createOutput>) => void): string {
  let text = ''
  print(
    createOutput(json, {
      write: more => {
        text += more
      },
    }),
  )
  return text
}

const cancelled = OrderEvent.parse({
  specversion: '1.0',
  id: 'evt_5Zq0b3uJtYxw2KfPz8Qd1A',
  source: '/connections/shop',
  type: 'order.cancelled',
  subject: '1',
  time: '2026-03-02T10:15:30.000Z',
  datacontenttype: 'application/json',
  dataschema: 'urn:orderwire:order-event:1',
  partitionkey: 'shop/1',
  sequence: '0000000001',
  data: {
    connection: 'shop',
    vendor: 'shoplazza',
    orderId: '1',
    orderNumber: null,
    sequence: 1,
    occurredAt: '2026-03-02T10:15:30.000Z',
    occurredAtSource: 'vendor',
    observedAt: '2026-03-02T10:15:30.000Z',
    order: {
      currency: null,
      total: null,
      placedAt: null,
      updatedAt: null,
      status: null,
      lines: [],
      shipTo: null,
    },
    cancellation: { reason: REASON },
  },
})

describe("a buyer's reason with control characters", () => {
  test('is one line on the terminal, and moves nothing there', () => {
    const text = printed(false, output => output.item(cancelled, eventLine(cancelled)))
    expect(text).toContain('\\u001b[2J')
    expect(visibleLine(text.slice(0, -1))).toBe(text.slice(0, -1))
  })

  test('is one line of JSON with --json, which means the same', () => {
    const text = printed(true, output => output.item(cancelled, ''))
    expect(visibleLine(text.slice(0, -1))).toBe(text.slice(0, -1))
    expect(JSON.parse(text)).toEqual(cancelled)
  })

  test('is escaped where a command shows a whole object', () => {
    const lines = printed(false, output => output.whole(cancelled)).split('\n')
    expect(lines.map(visibleLine)).toEqual(lines)
    expect(JSON.parse(lines.join('\n'))).toEqual(cancelled)
  })

  test('is kept without them when it is read from the vendor', () => {
    expect(createReader().text('cancel_reason', REASON)).toBe('no shop/1 #1  paid [2J31m\u202e')
  })
})

test('a text of nothing but control characters is absent', () => {
  expect(createReader().text('cancel_reason', '\u0000\u001b\r\n')).toBeNull()
})
