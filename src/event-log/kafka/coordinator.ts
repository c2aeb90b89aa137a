import type { Broker } from 'kafkajs'
import type { Clock } from '../../lib/clock.ts'

/** A heartbeat without an answer for this long counts as failed: the broker may hang with its connections open. */
const ANSWER_MS = 3_000

/** What kafkajs asks of the coordinator of a group. Its types do not tell all of it. */
const REQUESTS = ['joinGroup', 'syncGroup', 'leaveGroup', 'offsetFetch', 'offsetCommit', 'heartbeat'] as const
type Request = (typeof REQUESTS)[number]
type Send = (payload: unknown) => Promise<unknown>

/** Errors of a broker that is gone, hangs, or is not the coordinator any more; none of them concerns the member. */
const NAMES = new Set([
  'KafkaJSConnectionError',
  'KafkaJSConnectionClosedError',
  'KafkaJSRequestTimeoutError',
  'KafkaJSBrokerNotFound',
])
const TYPES = new Set([
  'NOT_COORDINATOR_FOR_GROUP',
  'GROUP_COORDINATOR_NOT_AVAILABLE',
  'COORDINATOR_NOT_AVAILABLE',
  'GROUP_LOAD_IN_PROGRESS',
  'COORDINATOR_LOAD_IN_PROGRESS',
])

/** Whether an error says that another broker has to be asked, or this one later. */
function isMoved(error: unknown): boolean {
  if (!(error instanceof Error)) return false
  return NAMES.has(error.name) || ('type' in error && typeof error.type === 'string' && TYPES.has(error.type))
}

/**
 * The coordinator of a group, wherever it moves. kafkajs keeps asking the broker that it joined at. When that broker is lost, it commits
 * no offset until the broker is back, though another one coordinates the group since. So this finds the present coordinator again, and
 * the member stays in its group under its generation.
 *
 * A failed heartbeat is not reported while the session can last: kafkajs would stop fetching from every broker.
 */
export function followCoordinator(deps: {
  first: Broker
  /** Tries until there is a coordinator; rejects on other errors. */
  find: () => Promise<Broker>
  sessionMs: number
  clock: Clock
}): Broker {
  const { clock, sessionMs } = deps
  let current = deps.first
  let finding: Promise<void> | null = null
  let aliveAt = clock.monotonic()

  function findAgain(): Promise<void> {
    finding ??= deps
      .find()
      .then(
        found => {
          current = found
        },
        () => {},
      )
      .finally(() => {
        finding = null
      })
    return finding
  }

  function send(request: Request, payload: unknown): Promise<unknown> {
    const method: unknown = Reflect.get(current, request)
    if (typeof method !== 'function') throw new TypeError(`kafkajs has no request "${request}"`)
    return (method as Send).call(current, payload)
  }

  async function heartbeat(payload: unknown): Promise<unknown> {
    if (finding && clock.monotonic() - aliveAt < sessionMs) return null
    const answered = new AbortController()
    try {
      const late = clock.sleep(ANSWER_MS, answered.signal).then(() => {
        if (!answered.signal.aborted) throw tooLate()
      })
      const answer = await Promise.race([send('heartbeat', payload), late])
      aliveAt = clock.monotonic()
      return answer
    } catch (error) {
      if (!isMoved(error)) throw error
      void findAgain()
      if (clock.monotonic() - aliveAt >= sessionMs) throw error
      return null
    } finally {
      answered.abort()
    }
  }

  /** The payload names the generation, so a late commit of an earlier one is refused. */
  async function offsetCommit(payload: unknown): Promise<unknown> {
    try {
      return await send('offsetCommit', payload)
    } catch (error) {
      if (!isMoved(error)) throw error
      await findAgain()
      return send('offsetCommit', payload)
    }
  }

  const requests = Object.fromEntries(
    REQUESTS.map((request): [Request, Send] => [request, async payload => send(request, payload)]),
  )
  const coordinator = {
    ...requests,
    heartbeat,
    offsetCommit,
    get nodeId() {
      return Reflect.get(current, 'nodeId')
    },
    // Otherwise kafkajs would look for the same broker again.
    isConnected: () => true,
  }
  return coordinator as unknown as Broker
}

const tooLate = () =>
  Object.assign(new Error(`The coordinator did not answer a heartbeat within ${ANSWER_MS} ms.`), {
    name: 'KafkaJSRequestTimeoutError',
  })
