import assert from 'node:assert/strict'
import { connectionOf, failureOf, LIVE, listed, refOf, simulated, withBench } from './bench.ts'
import type { SimulatedFailure, SourceCheck, SourceTest } from './simulated-vendor.ts'

const FAILURES: readonly (readonly [name: string, failure: SimulatedFailure, intent: 'retry' | 'stop'])[] = [
  ['status 500', { status: 500 }, 'retry'],
  ['a page of HTML', 'not-json', 'retry'],
  ['status 401', { status: 401 }, 'stop'],
  ['status 429 with Retry-After', { status: 429, headers: { 'retry-after': '7' } }, 'retry'],
]

/** What a source makes of failures, and of a configuration. */
export function failureChecks(options: SourceTest): readonly SourceCheck[] {
  const { secrets = [] } = options
  const answers = ([name, failure, intent]: (typeof FAILURES)[number]): SourceCheck => ({
    name: `asks to ${intent} when the vendor answers ${name}, and shows no secret`,
    run: () =>
      withBench(options, async bench => {
        await bench.vendor.fail(failure)
        const error = await failureOf(listed(bench, { from: bench.past, to: bench.past }))
        assert.equal(error.intent, intent)
        if (typeof failure === 'object' && failure.headers)
          assert.ok((error.retryAfterMs ?? 0) >= 7_000, 'it rests as told')
        for (const secret of secrets) assert.ok(!error.message.includes(secret), 'an error shows a secret')
      }),
  })

  return [
    {
      name: 'takes a connection as a configuration writes it, and refuses options that it does not know',
      run: () =>
        withBench(options, async bench => {
          assert.equal(bench.config.vendor, options.source.vendor)
          assert.throws(() => connectionOf(options, bench.vendor, { 'no-such-option': 1 }))
          assert.ok(options.source.limit.perSecond > 0 && options.source.limit.burst >= 1, 'a limit above 0')
        }),
    },
    {
      name: 'says in `check` what answered, and fails there where the credentials are refused',
      run: () =>
        withBench(options, async bench => {
          const said = await bench.source.check(LIVE)
          assert.ok(said.trim() !== '', 'a short description')
          for (const secret of secrets) assert.ok(!said.includes(secret), '`check` shows a secret')
          await bench.vendor.fail({ status: 401 })
          assert.equal((await failureOf(bench.source.check(LIVE))).intent, 'stop')
        }),
    },
    ...FAILURES.map(answers),
    {
      name: 'believes no failure to be an answer: an order is not gone because the vendor is out of order',
      run: () =>
        withBench(options, async bench => {
          const order = simulated(1, bench.past)
          await bench.vendor.put(order)
          await bench.vendor.fail({ status: 500 })
          assert.equal((await failureOf(bench.source.fetch([refOf(bench, order)], LIVE))).intent, 'retry')
        }),
    },
    {
      name: 'rejects when it is called off',
      run: () =>
        withBench(options, async bench => {
          const aborted = { signal: AbortSignal.abort(), priority: 'live' } as const
          await assert.rejects(bench.source.check(aborted))
          await assert.rejects(bench.source.fetch([refOf(bench, simulated(1, bench.past))], aborted))
        }),
    },
  ]
}
