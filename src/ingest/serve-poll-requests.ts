import type { Clock } from '../lib/clock.ts'
import { messageOf } from '../lib/errors.ts'
import type { Store } from '../store/store.ts'
import type { Log } from '../telemetry/log.ts'
import type { ConnectionWorker } from './connection-worker.ts'
import { answerPoll } from './poll-request.ts'

/** How soon a request of another process begins; costs three indexed queries each time. */
const LOOK_EVERY_MS = 1_000

/** Serves requests of other processes (polls, single orders, backfills) for the connections worked here, until the signal aborts. */
export async function serveRequests(
  deps: {
    workers: readonly ConnectionWorker[]
    store: Pick<Store, 'pollRequests' | 'orderReads' | 'backfills'>
    clock: Clock
    log: Log
  },
  signal: AbortSignal,
): Promise<void> {
  const { workers, store, clock, log } = deps
  const requests = store.pollRequests
  const running = new Set<Promise<void>>()
  while (!signal.aborted) {
    const held = workers.filter(worker => worker.holds())
    const connections = held.map(({ connection }) => connection)
    try {
      const orders = await store.orderReads.due(connections, clock.now())
      const spans = await store.backfills.waiting(connections)
      for (const worker of held) {
        if (orders.includes(worker.connection)) worker.refetch()
        if (spans.includes(worker.connection)) worker.backfill()
      }
      const taken = await requests.take(connections, clock.now())
      for (const request of taken) {
        const worker = held.find(({ connection }) => connection === request.connection)
        if (!worker) continue
        // Not awaited: a slow vendor must not delay the requests of other connections.
        const answering: Promise<void> = answerPoll(requests, request, ({ read, ...asked }) =>
          read ? worker.readHere(read, signal) : worker.pollHere({ ...asked, signal }),
        )
          .catch(error => log.warn({ connection: request.connection, error: messageOf(error) }, 'cannot answer a poll'))
          .finally(() => running.delete(answering))
        running.add(answering)
      }
    } catch (error) {
      log.warn({ error: messageOf(error) }, 'cannot look for requests of other processes; trying again')
    }
    await clock.sleep(LOOK_EVERY_MS, signal)
  }
  await Promise.all(running)
}
