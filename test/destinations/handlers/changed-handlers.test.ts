import { expect, test } from 'vitest'
import { DEFAULT_DELIVERY } from '../../../schemas/config.ts'
import { retryChangedHandlers } from '../../../src/destinations/handlers/changed-handlers.ts'
import { handlerDestination } from '../../../src/destinations/handlers/handler-destination.ts'
import { silent } from '../../dispatch/rig.ts'
import { memoryClock } from '../../helpers/memory-clock.ts'

function setUp(known: Record<string, string>) {
  const clock = memoryClock()
  const digests = new Map(Object.entries(known))
  const done: string[] = []
  const trouble = { left: 0 }
  const handler = (id: string, digest: string) =>
    handlerDestination(id, { on: '*', run() {}, digest }, { delivery: DEFAULT_DELIVERY, clock, log: silent })
  const start = (...handlers: ReturnType<typeof handler>[]) =>
    retryChangedHandlers({
      handlers,
      store: {
        handlerFiles: {
          digests: async () => digests,
          async put(id, digest) {
            digests.set(id, digest)
          },
        },
        lanes: {
          async makeDue(id: string) {
            if (trouble.left-- > 0) throw new Error('the store is away')
            done.push(`${id} due`)
          },
        } as never,
      },
      wake: () => void done.push('woken'),
      clock,
      log: silent,
      signal: new AbortController().signal,
    })
  return { clock, digests, done, trouble, handler, start }
}

test('what waits for a handler is made due where its file is another than at the last start, and only there', async () => {
  const { digests, done, handler, start } = setUp({ mail: 'old', stock: 'same' })
  await start(handler('mail', 'new'), handler('stock', 'same'), handler('fresh', 'first'))
  expect(done).toEqual(['mail due', 'woken'])
  expect(Object.fromEntries(digests)).toEqual({ mail: 'new', stock: 'same', fresh: 'first' })
})

test('a store that is away is waited for: the change is not forgotten', async () => {
  const { clock, digests, done, trouble, handler, start } = setUp({ mail: 'old' })
  trouble.left = 1
  const started = start(handler('mail', 'new'))
  await clock.flush()
  expect(digests.get('mail')).toBe('old')
  await clock.advance(5_000)
  await started
  expect(done).toEqual(['mail due', 'woken'])
})
