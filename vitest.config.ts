import { defineConfig } from 'vitest/config'
import { BaseSequencer, type TestSpecification } from 'vitest/node'

/** Short files with little in them that take long: one that came last would keep one core waiting for it. */
const LONG = [
  'e2e/cluster',
  'event-log/kafka/broker-away',
  'event-log/kafka/consume',
  'e2e/outages',
  'e2e/kill',
  'simulation/simulation',
  'store/postgres/postgres',
]

class LongFirst extends BaseSequencer {
  override async sort(files: TestSpecification[]): Promise<TestSpecification[]> {
    const sorted = await super.sort(files)
    const isLong = ({ moduleId }: TestSpecification) => LONG.some(name => moduleId.endsWith(`/test/${name}.test.ts`))
    return [...sorted.filter(isLong), ...sorted.filter(file => !isLong(file))]
  }
}

const here = (path: string) => new URL(path, import.meta.url).pathname

export default defineConfig({
  resolve: {
    alias: [
      { find: /^orderwire$/, replacement: here('src/index.ts') },
      { find: 'orderwire/events', replacement: here('schemas/events.ts') },
      { find: 'orderwire/receiver', replacement: here('src/receiver/receiver.ts') },
      { find: 'orderwire/testing', replacement: here('src/sources/testing/testing.ts') },
    ],
  },
  test: {
    include: ['test/**/*.test.ts'],
    globalSetup: './test/global-setup.ts',
    // They end what hangs. None of them measures speed: a busy machine may take many times what an idle one takes.
    testTimeout: 120_000,
    hookTimeout: 240_000,
    expect: { poll: { timeout: 60_000 } },
    // Real servers and child processes: two files at a time are what two cores can carry.
    maxWorkers: 2,
    sequence: { sequencer: LongFirst },
  },
})
