import { defineConfig } from 'vitest/config'
import { BaseSequencer, type TestSpecification } from 'vitest/node'

/** Files that take long, the longest first: one that came last would keep one core waiting for it. */
const LONG = [
  'e2e/cluster',
  'e2e/console-pages',
  'e2e/package',
  'event-log/kafka/consume',
  'e2e/outages',
  'event-log/kafka/broker-away',
  'event-log/kafka/goes-back',
  'e2e/backup',
  'e2e/kill',
  'simulation/simulation',
  'store/migrations/migrations',
  'store/postgres/postgres',
  'store/postgres/pgbouncer',
  'dispatch/crowd',
  'dispatch/lanes',
  'integration/consumers',
]

class LongFirst extends BaseSequencer {
  override async sort(files: TestSpecification[]): Promise<TestSpecification[]> {
    const place = ({ moduleId }: TestSpecification) => {
      const found = LONG.findIndex(name => moduleId.endsWith(`/test/${name}.test.ts`))
      return found === -1 ? LONG.length : found
    }
    return (await super.sort(files)).sort((a, b) => place(a) - place(b))
  }
}

const here = (path: string) => new URL(path, import.meta.url).pathname

const resolve = {
  alias: [
    { find: /^orderwire$/, replacement: here('src/index.ts') },
    { find: 'orderwire/events', replacement: here('schemas/events.ts') },
    { find: 'orderwire/receiver', replacement: here('src/receiver/receiver.ts') },
    { find: 'orderwire/testing', replacement: here('src/sources/testing/testing.ts') },
  ],
}

const patience = {
  // They end what hangs. None of them measures speed: a busy machine may take many times what an idle one takes.
  testTimeout: 120_000,
  hookTimeout: 240_000,
  expect: { poll: { timeout: 60_000 } },
}

/**
 * A simulation replaces `Math.random` and must be the same each time: no timer of another file may run beside it. The tests of migrations
 * change the list of migrations before the rest is loaded.
 */
const ALONE = ['test/simulation/**/*.test.ts', 'test/store/migrations/**/*.test.ts']

export default defineConfig({
  test: {
    globalSetup: './test/global-setup.ts',
    // Real servers and child processes, which are waited for much of the time: two cores carry three files at a time.
    maxWorkers: 3,
    sequence: { sequencer: LongFirst },
    projects: [
      { resolve, test: { ...patience, name: 'alone', include: ALONE } },
      {
        resolve,
        test: {
          ...patience,
          name: 'together',
          include: ['test/**/*.test.ts'],
          exclude: ALONE,
          // The files of a worker share its modules: loading them anew for each file took half the time of most.
          isolate: false,
        },
      },
    ],
  },
})
