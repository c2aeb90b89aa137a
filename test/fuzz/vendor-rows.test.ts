import fc from 'fast-check'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { AppError } from '../../src/lib/errors.ts'
import { openChain, type Seen } from './chain.ts'
import { mutated, mutations, unreadable } from './mutations.ts'
import { factsOf, gistsOf, invented, statedBy } from './oracle.ts'
import { named, SAMPLES, type Sample } from './samples.ts'
import { PATIENCE, runs, SEED } from './settings.ts'
import { at, pathsOf, type Tree, textOf, withValue } from './tree.ts'

/** Rows of a vendor that are not as they should be, on a page with two that are: by HTTP, through source and ingest, into the store. */

let chain: Awaited<ReturnType<typeof openChain>>
beforeAll(async () => {
  chain = await openChain()
})
afterAll(() => chain.close())

const BEFORE = 'before-1'
const ODD = 'odd-1'
const AFTER = 'after-1'

const page = (sample: Sample, odd: Tree): Tree[] => [
  named(sample, sample.row, BEFORE),
  odd,
  named(sample, sample.row, AFTER),
]
const pollWith = (sample: Sample, odd: Tree, records?: readonly Tree[]): Promise<Seen> =>
  chain.poll(sample.kind, sample.answering(page(sample, odd), records))

/** Whatever became of the odd row, the others said all they had to say, and nothing failed but what a filter that is ignored makes fail. */
function expectIsolated(seen: Seen, usual: Seen): void {
  if (seen.error !== null) {
    expect(seen.error).toBeInstanceOf(AppError)
    expect((seen.error as AppError).code).toBe('vendor.filter_ignored')
  }
  for (const id of [BEFORE, AFTER]) expect(gistsOf(seen, id)).toEqual(gistsOf(usual, id))
}

function expectNothingInvented(seen: Seen, sample: Sample, rows: readonly Tree[]): void {
  const stated = statedBy(rows)
  const sequences = new Map<string, number>()
  const problems = seen.events.flatMap((event, index) => {
    const { orderId, sequence } = event.data
    expect(sequence).toBe((sequences.get(orderId) ?? 0) + 1)
    sequences.set(orderId, sequence)
    return invented(event, seen.bodies[index] ?? '', stated, sample.kind)
  })
  expect(problems).toEqual([])
  expect(new Set(seen.events.map(({ id }) => id)).size).toBe(seen.events.length)
}

describe.each(SAMPLES.map(sample => [sample.kind, sample] as const))(`%s (seed ${SEED})`, (_, sample) => {
  let usual: Seen
  beforeAll(async () => {
    usual = await pollWith(sample, named(sample, sample.row, ODD))
  })

  test('the row as it should be proves something, and nothing of it is doubted', () => {
    expect(usual.error).toBeNull()
    expect(factsOf(usual.events, ODD).length).toBeGreaterThanOrEqual(3)
    expect(usual.quarantine).toEqual([])
  })

  test(
    'a row that is changed anyhow costs no other row anything, and nothing is said that no row states',
    async () => {
      await fc.assert(
        fc.asyncProperty(mutations, async changes => {
          const odd = mutated(named(sample, sample.row, ODD), changes)
          const seen = await pollWith(sample, odd)
          expectIsolated(seen, usual)
          expectNothingInvented(seen, sample, page(sample, odd))
        }),
        runs(20),
      )
    },
    PATIENCE,
  )

  test(
    'what is not read changes nothing',
    async () => {
      const unread = (path: readonly (string | number)[]) => !sample.isRead(path)
      await fc.assert(
        fc.asyncProperty(mutations, async changes => {
          const odd = mutated(
            named(sample, sample.row, ODD),
            changes.map(change => ({ ...change, change: 'replace' })),
            unread,
          )
          const seen = await pollWith(sample, odd)
          expectIsolated(seen, usual)
          expect(gistsOf(seen, ODD)).toEqual(gistsOf(usual, ODD))
          expect(seen.quarantine).toEqual([])
        }),
        runs(5),
      )
    },
    PATIENCE,
  )

  test(
    'what is read and cannot be understood adds no fact and no other value, and is in the quarantine',
    async () => {
      const row = named(sample, sample.row, ODD)
      const read = pathsOf(row).filter(path => sample.isRead(path) && typeof path.at(-1) === 'string')
      await fc.assert(
        fc.asyncProperty(fc.constantFrom(...read), unreadable, async (path, value) => {
          const odd = withValue(row, path, value)
          fc.pre(textOf(odd) !== textOf(row))
          fc.pre(at(row, path)?.kind !== value.kind)
          const seen = await pollWith(sample, odd)
          expectIsolated(seen, usual)
          expectNothingInvented(seen, sample, page(sample, odd))
          const facts = factsOf(seen.events, ODD)
          expect(factsOf(usual.events, ODD)).toEqual(expect.arrayContaining(facts))
          // What is read only where another member is empty was not looked at.
          if (seen.quarantine.length === 0) expect(gistsOf(seen, ODD)).toEqual(gistsOf(usual, ODD))
        }),
        runs(12),
      )
    },
    PATIENCE,
  )
})
