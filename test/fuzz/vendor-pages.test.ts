import fc from 'fast-check'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { AppError } from '../../src/lib/errors.ts'
import { openChain, type Seen } from './chain.ts'
import { mutated, mutations } from './mutations.ts'
import { gistsOf } from './oracle.ts'
import { named, SAMPLES, type Sample } from './samples.ts'
import { PATIENCE, runs, SEED } from './settings.ts'
import { list, object, raw, string, type Tree, textOf, treeOf } from './tree.ts'

/** Envelopes, counters and pages that are not as they should be; the rows in them are. */

let chain: Awaited<ReturnType<typeof openChain>>
beforeAll(async () => {
  chain = await openChain()
})
afterAll(() => chain.close())

const IDS = ['one', 'two', 'three']
const rowsOf = (sample: Sample): Tree[] => IDS.map(id => named(sample, sample.row, id))
const facts = (seen: Seen): string[] => IDS.flatMap(id => gistsOf(seen, id))

/** What the sample answers a request with, as it is sent. */
function answerOf(sample: Sample, url: string): string {
  let text = ''
  const response = {
    setHeader: () => response,
    writeHead: () => response,
    end: (sent = '') => {
      text = sent
    },
  }
  sample.answering(rowsOf(sample))({ url } as never, response as never)
  return text
}

/** Vendors whose pages never end; `more` is what each says of its other pages. */
const ENDLESS: readonly (readonly [string, (rows: Tree, asked: URL) => Tree])[] = [
  [
    'counts without end',
    rows => object({ code: raw('10000'), success: raw('true'), ...page(rows, { total: raw('1000000000') }) }),
  ],
  [
    'no count, and always full pages',
    rows => object({ code: raw('10000'), success: raw('true'), ...page(rows, { pageSize: raw('3') }) }),
  ],
  [
    'a new token each time',
    rows =>
      object({
        orders: rows,
        next_token: string(String(Math.random())),
        cursor: string(String(Math.random())),
        has_more: raw('true'),
      }),
  ],
]

function page(rows: Tree, more: Readonly<Record<string, Tree>>): Record<string, Tree> {
  const data = object({ list: rows, data_list: rows, orders: rows, ...more, ...(more.total && { count: more.total }) })
  return { data, result: data }
}

/** Without a time of update no window can tell that it did not ask for them. */
const timeless = (sample: Sample): Tree =>
  list(
    ...rowsOf(sample).map(row =>
      row.kind === 'object'
        ? {
            kind: 'object' as const,
            members: row.members.filter(([name]) => !/^(updateDate|modifyDate|updated_at)$/.test(name)),
          }
        : row,
    ),
  )

describe.each(SAMPLES.map(sample => [sample.kind, sample] as const))(`%s (seed ${SEED})`, (_, sample) => {
  let usual: Seen
  beforeAll(async () => {
    usual = await chain.poll(sample.kind, sample.answering(rowsOf(sample)))
  })

  test(
    'an envelope that is changed anyhow says nothing new, and its poll ends with all or with an intent',
    async () => {
      await fc.assert(
        fc.asyncProperty(mutations, fc.boolean(), async (changes, deep) => {
          const seen = await chain.poll(sample.kind, (request, response) => {
            // Without its refunds an order's later facts have other numbers.
            if (/refund/.test(request.url ?? '')) return sample.answering(rowsOf(sample))(request, response)
            const answer = treeOf(answerOf(sample, request.url ?? '') || '{}')
            const isOuter = (path: readonly unknown[]) => path.length <= (deep ? 3 : sample.kind === 'tuya' ? 1 : 2)
            response.end(textOf(mutated(answer, changes, isOuter)))
          })
          if (seen.error !== null) expect(seen.error).toBeInstanceOf(AppError)
          const said = facts(usual)
          if (!deep) expect(facts(seen).filter(fact => !said.includes(fact))).toEqual([])
          expect(seen.requests.length).toBeLessThan(2_000)
        }),
        runs(10),
      )
    },
    PATIENCE,
  )

  test.each(ENDLESS)('pages with %s come to an end, with an intent where there is more', async (_, answer) => {
    const rows = timeless(sample)
    const seen = await chain.poll(sample.kind, (request, response) => {
      const asked = new URL(request.url ?? '', 'http://vendor')
      if (/token\?|\/(testOrderId|one|two|three)$|refund/.test(asked.pathname + asked.search))
        return sample.answering(rowsOf(sample))(request, response)
      response.end(textOf(answer(rows, asked)))
    })
    if (seen.error !== null) expect(seen.error).toBeInstanceOf(AppError)
    expect(seen.requests.length).toBeLessThan(2_000)
  })
})
