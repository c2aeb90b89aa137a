import type { Clock } from '../clock.ts'
import { messageOf } from '../errors.ts'
import type { Log } from '../observe.ts'
import { answerPoll } from '../poll-request.ts'
import type { PollRequestStore } from '../store/port/poll-requests.ts'
import type { Worker } from './worker.ts'

/** How soon a poll asked for in another process begins; one indexed query each time. */
const LOOK_EVERY_MS = 1_000

/** Runs the polls that other processes ask for, of the connections this one works, until the signal aborts. */
export async function servePollRequests(
  deps: { workers: readonly Worker[]; requests: PollRequestStore; clock: Clock; log: Log },
  signal: AbortSignal,
): Promise<void> {
  const { workers, requests, clock, log } = deps
  const running = new Set<Promise<void>>()
  while (!signal.aborted) {
    const held = workers.filter(worker => worker.holds())
    try {
      const taken = await requests.take(
        held.map(({ connection }) => connection),
        clock.now(),
      )
      for (const request of taken) {
        const worker = held.find(({ connection }) => connection === request.connection)
        if (!worker) continue
        // Not waited for: a slow vendor holds up no other connection's request.
        const answering: Promise<void> = answerPoll(requests, request, ({ read, ...asked }) =>
          read ? worker.readHere(read, signal) : worker.pollHere({ ...asked, signal }),
        )
          .catch(error => log.warn({ connection: request.connection, error: messageOf(error) }, 'cannot answer a poll'))
          .finally(() => running.delete(answering))
        running.add(answering)
      }
    } catch (error) {
      log.warn({ error: messageOf(error) }, 'cannot look for polls that other processes ask for; trying again')
    }
    await clock.sleep(LOOK_EVERY_MS, signal)
  }
  await Promise.all(running)
}
