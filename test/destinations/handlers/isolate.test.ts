import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { pino } from 'pino'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { DEFAULT_DELIVERY } from '../../../schemas/config.ts'
import { loadHandlers } from '../../../src/destinations/handlers/handlers.ts'
import type { Destination } from '../../../src/dispatch/destination.ts'
import { systemClock } from '../../../src/lib/clock.ts'
import { eventRecord } from '../../helpers/event-records.ts'
import { until } from '../../helpers/until.ts'

let folder: string
let open: Destination[] = []
let files = 0
const lines: Record<string, unknown>[] = []
const log = pino({ level: 'debug', base: null }, { write: (line: string) => void lines.push(JSON.parse(line)) })

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'isolate-'))
  lines.length = 0
})
afterEach(async () => {
  await Promise.all(open.map(one => one.close?.()))
  open = []
  await rm(folder, { recursive: true })
})

async function isolated(run: string, delivery = '{}'): Promise<Destination> {
  // By path: the name of the package is resolved by `main.ts` and the threads, and this is neither.
  const text = `
    import { defineHandler, GiveUp } from '${import.meta.resolve('../../../src/index.ts')}'
    export default defineHandler({ on: '*', isolate: true, delivery: ${delivery}, ${run} })`
  await writeFile(join(folder, `heavy${++files}.ts`), text)
  open = [...(await loadHandlers(folder, { delivery: DEFAULT_DELIVERY, clock: systemClock(), log }))]
  const first = open.at(-1)
  if (!first) throw new Error('the handler is loaded')
  return first
}

const event = eventRecord()
const deliver = (to: Destination, more: { signal?: AbortSignal; attempt?: number } = {}) =>
  to.deliver(event, { attempt: 1, replay: false, signal: new AbortController().signal, ...more })

describe('an isolated handler', () => {
  test('gets the event, its attempt, a signal and a log, and acknowledges by returning', async () => {
    const heavy = await isolated(`async run(event, { log, signal, attempt }) {
      log.info('seen', { id: event.id, attempt, aborted: signal.aborted, at: new Date(0) })
      log.warn('odd', { fn: () => 1 })
    }`)
    expect(await deliver(heavy, { attempt: 3 })).toMatchObject({ result: 'delivered', error: null })
    expect(lines).toMatchObject([
      {
        msg: 'seen',
        handler: expect.stringMatching(/^heavy\d/),
        event: event.id,
        id: event.id,
        attempt: 3,
        aborted: false,
      },
      {
        msg: 'odd',
        handler: expect.stringMatching(/^heavy\d/),
        event: event.id,
        fields: expect.stringContaining('fn'),
      },
    ])
  })

  test('asks for a retry by throwing, its error keeps name, message and stack; GiveUp crosses the border', async () => {
    const heavy = await isolated(`run(event, { attempt }) {
      if (attempt === 1) throw new RangeError('too far')
      throw new GiveUp('never')
    }`)
    expect(await deliver(heavy)).toMatchObject({ result: 'retry', error: 'too far' })
    expect(lines).toMatchObject([{ name: 'RangeError', error: 'too far', stack: expect.stringContaining('heavy') }])
    expect(await deliver(heavy, { attempt: 2 })).toMatchObject({ result: 'give-up', error: 'never' })
  })

  test('that computes for ever is ended at its timeout, while this thread goes on; the next event has a new thread', async () => {
    const heavy = await isolated(`run(event, { attempt }) { while (attempt === 1); }`, `{ timeout: '300ms' }`)
    let turns = 0
    const ticking = setInterval(() => turns++, 10)
    const outcome = await deliver(heavy)
    clearInterval(ticking)
    expect(outcome).toMatchObject({ result: 'retry', error: 'not done within 300 ms; its thread was ended' })
    expect(turns).toBeGreaterThan(1)
    expect(await deliver(heavy, { attempt: 2 })).toMatchObject({ result: 'delivered' })
  })

  test('that calls process.exit() ends its thread only, and its delivery fails', async () => {
    const heavy = await isolated(`run(event, { attempt }) { if (attempt === 1) process.exit(3) }`)
    expect(await deliver(heavy)).toMatchObject({
      result: 'retry',
      error: 'its thread ended with code 3; does it call process.exit?',
    })
    expect(await deliver(heavy, { attempt: 2 })).toMatchObject({ result: 'delivered' })
  })

  test('with an error that nobody catches fails the delivery in flight, and a later one is a line in the log', async () => {
    const heavy = await isolated(`run(event, { attempt }) {
      if (attempt === 2) { setTimeout(() => { throw new Error('much later') }, 50); return }
      setTimeout(() => { throw new Error('later') }, 10)
      return new Promise(() => {})
    }`)
    expect(await deliver(heavy)).toMatchObject({ result: 'retry', error: 'later' })
    expect(await deliver(heavy, { attempt: 2 })).toMatchObject({ result: 'delivered' })
    await until('the late error is logged', () => lines.some(line => line.error === 'much later'))
    expect(lines.filter(({ level }) => level === 50)).toMatchObject([
      { handler: expect.stringMatching(/^heavy\d/), event: event.id, error: 'later' },
      { handler: expect.stringMatching(/^heavy\d/), error: 'much later' },
    ])
  })

  test('is aborted at shutdown, and closing ends its threads', async () => {
    const heavy = await isolated(`run(event, { log, signal }) {
      log.info('begun')
      return new Promise(() => signal.addEventListener('abort', () => log.info('told to stop')))
    }`)
    const abort = new AbortController()
    const outcome = deliver(heavy, { signal: abort.signal })
    await until('it runs', () => lines.some(({ msg }) => msg === 'begun'))
    abort.abort()
    expect(await outcome).toMatchObject({ result: 'aborted' })
    await until('its signal aborted', () => lines.some(({ msg }) => msg === 'told to stop'))
    await heavy.close?.()
    expect(await deliver(heavy)).toMatchObject({ result: 'aborted' })
  })

  test('has four threads unless it says how many, and each event a thread of its own', async () => {
    const heavy = await isolated(`async run(event, { log }) {
      const { threadId } = await import('node:worker_threads')
      log.info('thread', { threadId })
      await new Promise(resolve => setTimeout(resolve, 200))
    }`)
    expect(heavy.delivery.concurrency).toBe(4)
    await Promise.all([deliver(heavy), deliver(heavy)])
    await deliver(heavy)
    const threads = lines.map(line => line.threadId)
    expect(new Set(threads.slice(0, 2)).size).toBe(2)
    expect(threads.slice(0, 2)).toContain(threads[2])
    const many = await isolated(`run() {}`, `{ concurrency: 9 }`)
    expect(many.delivery.concurrency).toBe(9)
  })
})
