import { Counter, collectDefaultMetrics, Gauge, Histogram, Registry } from 'prom-client'
import { visibleInJson, visibleLine } from '../lib/control-characters.ts'
import { destinationCounter, destinationHistogram } from './per-destination.ts'

export type LogStream = Pick<NodeJS.WriteStream, 'write'> & { readonly isTTY?: boolean }

export const MESSAGE = 'msg'

/** The entry as `pretty` gets it. It prints the message as it is, and everything else as JSON. */
export function shownEntry(entry: string): Record<string, unknown> {
  const fields: Record<string, unknown> = JSON.parse(visibleInJson(entry))
  const message = fields[MESSAGE]
  return typeof message === 'string' ? { ...fields, [MESSAGE]: visibleLine(message) } : fields
}

/** How a delivery attempt may end. */
type DeliveryOutcome = 'delivered' | 'retry' | 'dead'

/** The states of a connection that is enabled. */
export const CONNECTION_STATES = ['ok', 'behind', 'failing', 'stopped'] as const

export const DESTINATION_STATES = ['active', 'paused', 'disabled', 'open'] as const

const SECONDS = [0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1, 2.5, 5, 10, 30]

const LATENCY = [0.1, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 1800, 7200, 86_400]

/**
 * All metrics of the program (contract, section 10). `forget` removes the series of a removed destination, so the number of label
 * sets stays bounded.
 */
export function createMetrics() {
  const registry = new Registry()
  // The event loop's delay is sampled by a timer; the default of 10 ms would be most of the work of an idle process.
  collectDefaultMetrics({ register: registry, eventLoopMonitoringPrecision: 500 })
  const registers = [registry]
  const counter = <L extends string>(name: string, help: string, labelNames: L[]) =>
    new Counter<L>({ name, help, labelNames, registers })
  const gauge = <L extends string>(name: string, help: string, labelNames: L[]) =>
    new Gauge<L>({ name, help, labelNames, registers })
  const histogram = <L extends string>(name: string, help: string, labelNames: L[], buckets: number[]) =>
    new Histogram<L>({ name, help, labelNames, buckets, registers })
  const metrics = {
    registry,
    polls: counter('orderwire_polls_total', 'Polls by outcome', ['connection', 'outcome']),
    pollSeconds: histogram('orderwire_poll_seconds', 'Duration of a poll', ['connection'], SECONDS),
    connectionLag: gauge('orderwire_connection_lag_seconds', 'How far the cursor is behind now', ['connection']),
    connectionState: gauge('orderwire_connection_state', '1: the connection is in this state', ['connection', 'state']),
    connectionNotice: gauge('orderwire_connection_notice', '1: a person should look at the connection', [
      'connection',
      'notice',
    ]),
    connectionTrouble: gauge('orderwire_connection_trouble', '1: this loop of the connection fails', [
      'connection',
      'loop',
    ]),
    unpublished: gauge('orderwire_unpublished', 'Events that the event log does not have yet', ['connection']),
    ordersObserved: counter('orderwire_orders_observed_total', 'Orders read', ['connection', 'outcome']),
    webhooks: counter('orderwire_webhooks_total', 'Inbound webhooks', ['connection', 'outcome']),
    authFailures: counter('orderwire_auth_failures_total', 'Requests refused for their key', ['reason']),
    events: counter('orderwire_events_total', 'Events emitted', ['connection', 'type']),
    reconciledEvents: counter(
      'orderwire_reconciled_events_total',
      'Events that reconciliation found and no poll had shown',
      ['connection'],
    ),
    publishSeconds: histogram('orderwire_publish_seconds', 'Appending a batch to the event log', [], SECONDS),
    consumerLag: gauge('orderwire_consumer_lag', 'Events in Kafka that are not settled yet', ['partition']),
    logMisfits: counter('orderwire_event_log_misfits_total', 'Positions that did not fit the event log', ['reason']),
    deliveries: destinationCounter<DeliveryOutcome>({
      ...{ name: 'orderwire_deliveries_total', help: 'Delivery attempts by outcome', registers },
    }),
    deliverySeconds: destinationHistogram({
      ...{ name: 'orderwire_delivery_seconds', help: 'Duration of an attempt', buckets: SECONDS, registers },
    }),
    changeToAck: destinationHistogram({
      name: 'orderwire_change_to_ack_seconds',
      help: "From the change, by the vendor's time of it, to the acknowledgement",
      buckets: LATENCY,
      registers,
    }),
    observedToAck: destinationHistogram({
      name: 'orderwire_observed_to_ack_seconds',
      help: 'From our observation to the acknowledgement',
      buckets: LATENCY,
      registers,
    }),
    backlog: gauge('orderwire_backlog', 'Events waiting', ['destination']),
    backlogOldest: gauge('orderwire_backlog_oldest_seconds', 'Age of the oldest waiting event', ['destination']),
    deadLetters: gauge('orderwire_dead_letters', 'Events given up', ['destination']),
    expiredDeadLetters: counter('orderwire_expired_dead_letters_total', 'Dead letters that retention deleted', [
      'destination',
    ]),
    alerts: counter('orderwire_alerts_total', 'Notices of alerts, by what became of them', ['alert', 'outcome']),
    destinationState: gauge('orderwire_destination_state', '1: the destination is in this state', [
      'destination',
      'state',
    ]),
    quarantine: gauge('orderwire_quarantine', 'Orders and values that could not be understood', ['connection']),
    ready: gauge('orderwire_ready', '1: this part of the process works', ['part']),
    buildInfo: gauge('orderwire_build_info', 'Always 1; the labels say which program runs', ['version', 'node']),
    eventLoopLag: gauge(
      'orderwire_event_loop_lag_seconds',
      'The longest the event loop stood still in the last 15 to 30 seconds',
      [],
    ),
  }
  const { deliveries, deliverySeconds, changeToAck, observedToAck } = metrics
  const { backlog, backlogOldest, deadLetters, expiredDeadLetters } = metrics
  return {
    ...metrics,
    /** Removes the series of a removed destination. */
    forget(destination: string): void {
      for (const metric of [deliveries, deliverySeconds, changeToAck, observedToAck]) metric.remove(destination)
      for (const metric of [backlog, backlogOldest, deadLetters, expiredDeadLetters]) metric.remove({ destination })
      for (const state of DESTINATION_STATES) metrics.destinationState.remove({ destination, state })
    },
  }
}

export type Metrics = ReturnType<typeof createMetrics>
