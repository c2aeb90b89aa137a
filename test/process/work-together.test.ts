import { expect, test } from 'vitest'
import { workTogether } from '../../src/process/work-together.ts'

const untilAborted = (signal: AbortSignal) =>
  new Promise<void>(resolve =>
    signal.aborted ? resolve() : signal.addEventListener('abort', () => resolve(), { once: true }),
  )

/** The parts of a process as doubles that say what is done with them. */
function parts(own: { run?: (signal: AbortSignal) => Promise<void>; start?: () => Promise<void> } = {}) {
  const said: string[] = []
  return {
    said,
    ingest: { run: own.run ?? untilAborted },
    dispatch: {
      start: own.start ?? (async () => void said.push('dispatch starts')),
      stop: async (graceMs: number) => void said.push(`dispatch stops within ${graceMs} ms`),
    },
    startRetention() {
      said.push('retention starts')
      return () => void said.push('retention stops')
    },
    graceMs: 8_000,
  }
}

const ALL = ['retention starts', 'dispatch starts', 'retention stops', 'dispatch stops within 8000 ms']

test('a process whose polling fails stops retention and dispatch as well, and says why it ends', async () => {
  const { said, ...all } = parts({ run: () => Promise.reject(new Error('the sky fell.')) })
  await expect(workTogether(all, new AbortController().signal)).rejects.toMatchObject({
    code: 'work.failed',
    message: expect.stringContaining('the sky fell.'),
  })
  expect(said).toEqual(ALL)
})

test('a process whose dispatch cannot start stops retention as well', async () => {
  const { said, ...all } = parts({ start: () => Promise.reject(new Error('no destinations.')) })
  await expect(workTogether(all, new AbortController().signal)).rejects.toThrow('no destinations.')
  expect(said).toEqual(['retention starts', 'retention stops', 'dispatch stops within 8000 ms'])
})

test('a process that is stopped puts everything down, and what failed meanwhile is no failure of it', async () => {
  const stop = new AbortController()
  const { said, ...all } = parts({
    run: async signal => {
      await untilAborted(signal)
      throw new Error('called off')
    },
  })
  const working = workTogether(all, stop.signal)
  stop.abort()
  await working
  expect(said).toEqual(ALL)
})
