import assert from 'node:assert/strict'
import type { WebhookRequest } from '../source.ts'
import { type Bench, refOf, simulated, withBench } from './bench.ts'
import type { SignedRequest, SourceCheck, SourceTest } from './simulated-vendor.ts'

/** Webhooks, where the connection of the simulated vendor takes them. */
export function webhookChecks(options: SourceTest): readonly SourceCheck[] {
  const check = (name: string, run: (reader: Reader, sent: SignedRequest, bench: Bench) => void): SourceCheck => ({
    name,
    run: () =>
      withBench(options, async bench => {
        const reader = bench.source.webhook
        if (!reader) return
        assert.ok(
          bench.vendor.webhook,
          'the connection takes webhooks: the simulated vendor has to send them (`webhook`)',
        )
        const order = simulated(1, bench.past, options.proves.includes('paid') ? ['paid'] : [])
        await bench.vendor.put(order)
        run(reader, await bench.vendor.webhook(refOf(bench, order)), bench)
      }),
  })

  return [
    check('takes a webhook that the vendor signed, and reads which order to read again', (reader, sent, bench) => {
      assert.ok(reader.verify(requestOf(sent)))
      const notice = reader.read(requestOf(sent))
      assert.deepEqual(
        notice.orders.map(({ orderId }) => orderId),
        [simulated(1, bench.past).orderId],
      )
      if (bench.source.asksForBuyer)
        assert.ok(
          notice.orders.every(({ userId }) => userId !== null),
          'with its buyer',
        )
    }),
    check('refuses a webhook with another body, without a signature, or with one of nonsense', (reader, sent) => {
      const { body, headers } = sent
      assert.ok(!reader.verify(requestOf({ body: `${body} `, headers })), 'another body')
      assert.ok(!reader.verify(requestOf({ body, headers: {} })), 'no headers')
      const odd = Object.fromEntries(Object.keys(headers).map(name => [name, 'ü']))
      assert.ok(!reader.verify(requestOf({ body, headers: odd })), 'nonsense')
    }),
    check('throws on a body that it cannot read, so that the vendor is told', reader => {
      assert.throws(() => reader.read(requestOf({ body: '{"half', headers: {} })))
    }),
  ]
}

type Reader = NonNullable<Bench['source']['webhook']>

function requestOf({ body, headers }: SignedRequest): WebhookRequest {
  const byName = new Map(Object.entries(headers).map(([name, value]) => [name.toLowerCase(), value]))
  return { body: new TextEncoder().encode(body), header: name => byName.get(name.toLowerCase()) }
}
