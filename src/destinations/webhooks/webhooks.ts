import { customAlphabet } from 'nanoid'
import { type Config, deliveryOf } from '../../../schemas/config.ts'
import type { EventType } from '../../../schemas/order-event.ts'
import type { Destination, Outcome } from '../../dispatch/destination.ts'
import type { DispatchControl } from '../../dispatch/dispatch-control.ts'
import { compileFilter } from '../../dispatch/subscription-filter.ts'
import { type Clock, timestamp } from '../../lib/clock.ts'
import { messageOf } from '../../lib/errors.ts'
import type { SecretBox } from '../../lib/secret-box.ts'
import { createSigner, type Signer } from '../../lib/sign.ts'
import { sampleEvent } from '../../order/sample-event.ts'
import type { DeliveryStore } from '../../store/port/deliveries.ts'
import type { EndpointRow, EndpointStore } from '../../store/port/endpoints.ts'
import { opened, openHeaders } from '../../store/sealed.ts'
import type { Log } from '../../telemetry/log.ts'
import { createPost, deliverBy, outcomeOf } from './deliver.ts'
import type { Sender } from './send.ts'

/** Webhook endpoints as destinations. */
export interface Endpoints {
  /** All endpoints of the store, as they are now. */
  load(): Promise<readonly Destination[]>
  /** Does nothing if the endpoint was changed since `changedAt` (`Destination.changedAt`): the reason may be gone. */
  disable(id: string, reason: string, changedAt?: number): Promise<void>
  readonly test: DispatchControl['test']
}

export interface EndpointsDeps {
  readonly endpoints: EndpointStore
  readonly deliveries: Pick<DeliveryStore, 'failingSince'>
  /** The global delivery options. */
  readonly delivery: Config['delivery']
  readonly box: SecretBox
  readonly sender: Sender
  readonly clock: Clock
  readonly log: Log
  readonly version: string
}

const eventId = customAlphabet('0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz', 22)

export function createEndpoints(deps: EndpointsDeps): Endpoints {
  const { endpoints, box, sender, clock, log, version } = deps
  const unreadable = new Set<string>()

  /** Former secrets sign too until they expire, if they can be decrypted. The current secret alone is a valid signature. */
  function signerOf(row: EndpointRow): () => Signer {
    const current = box.open(row.secret)
    let former = row.formerSecrets.flatMap(({ secret, until }) => {
      const readable = clock.now() < until ? opened(box, secret) : null
      return readable === null ? [] : [{ secret: readable, until }]
    })
    const signer = () => createSigner([current, ...former.map(({ secret }) => secret)])
    let sign = signer()
    return () => {
      const valid = former.filter(({ until }) => clock.now() < until)
      if (valid.length < former.length) {
        former = valid
        sign = signer()
      }
      return sign
    }
  }

  function postOf(row: EndpointRow) {
    const { timeout } = optionsOf(row)
    return createPost({
      url: row.url,
      timeoutMs: timeout,
      signer: signerOf(row),
      headers: openHeaders(box, row.headers),
      sender,
      clock,
      version,
    })
  }

  // Stored headers were validated when they were set.
  const optionsOf = (row: EndpointRow) => deliveryOf(deps.delivery, row.delivery as Config['delivery'] | null)

  function destinationOf(row: EndpointRow): Destination {
    const common = {
      id: row.id,
      kind: 'endpoint' as const,
      state: row.state,
      delivery: optionsOf(row),
      types: row.types && new Set(row.types),
      connections: row.connections && new Set(row.connections),
      matches: row.filter && compileFilter(row.filter),
      restUntil: row.restUntil,
      changedAt: row.updatedAt,
      rest: (until: number) => endpoints.rest(row.id, until),
      // Ignore the answer if the endpoint was edited or resumed while the request was in flight.
      failingSince: () => deps.deliveries.failingSince(row.id, row.updatedAt),
    }
    try {
      const deliver = deliverBy(postOf(row), clock)
      unreadable.delete(row.id)
      return { ...common, deliver }
    } catch (error) {
      if (!unreadable.has(row.id)) log.error({ endpoint: row.id }, messageOf(error))
      unreadable.add(row.id)
      const failure: Outcome = {
        result: 'retry',
        statusCode: null,
        error: messageOf(error),
        response: null,
        restMs: null,
      }
      return { ...common, deliver: async () => failure }
    }
  }

  return {
    load: async () => (await endpoints.list()).map(destinationOf),
    async disable(id, reason, changedAt) {
      const expected = changedAt === undefined ? {} : { updatedAt: changedAt }
      await endpoints.update(id, { state: 'disabled', stateReason: reason, updatedAt: clock.now() }, expected)
    },
    async test(row, type) {
      const begun = clock.monotonic()
      const ms = () => Math.round(clock.monotonic() - begun)
      try {
        const id = `evt_${eventId()}`
        const now = clock.now()
        const body = type ? sampleBody(id, type, now) : JSON.stringify(testEvent(id, row.id, timestamp(now)))
        const answer = await postOf(row)({ id, body, replay: false, signal: new AbortController().signal })
        const { statusCode, error, response } = outcomeOf(answer, clock.now())
        return { statusCode, ms: ms(), error, response, request: body }
      } catch (error) {
        return { statusCode: null, ms: ms(), error: messageOf(error), response: null, request: null }
      }
    },
  }
}

/** A sample with an id of its own, so that a receiver that drops repeats takes each test. */
const sampleBody = (id: string, type: EventType, now: number): string =>
  JSON.stringify({ ...JSON.parse(sampleEvent(type, now).body), id })

/** A test event: not in the history, with a type that no order event has. */
const testEvent = (id: string, endpoint: string, time: string) => ({
  specversion: '1.0',
  id,
  source: '/orderwire',
  type: 'orderwire.test',
  subject: endpoint,
  time,
  datacontenttype: 'application/json',
  data: { endpoint, message: 'A test delivery; nothing has happened to any order.' },
})
