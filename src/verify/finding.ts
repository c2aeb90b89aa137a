/** A contradiction (`problem`), or something worth knowing (`info`). The names are stable: programs match on them. */
export interface Finding {
  readonly check: CheckName
  readonly where: Place
  /** What was found, in one sentence. */
  readonly what: string
  /** Repairs it where that is certainly safe. false: there was nothing to repair any more, or it did not help. */
  readonly repair?: () => Promise<boolean>
}

export interface Place {
  readonly connection?: string
  /** The vendor's order id. */
  readonly order?: string
  readonly event?: string
  readonly destination?: string
}

export type CheckName = keyof typeof CHECKS

interface Check {
  readonly severity: 'problem' | 'info'
  /** What it means. */
  readonly means: string
  /** What to do, also if it heals by itself. */
  readonly remedy: string
}

const check = <const S extends Check['severity']>(severity: S, means: string, remedy: string) => ({
  severity,
  means,
  remedy,
})

const RESTORE = 'Restore a backup, and say what happened: the program never writes this.'
const REPAIRS = '`verify --repair` repairs it; it loses nothing.'

/** Every check there is. */
export const CHECKS = {
  'order.state': check(
    'problem',
    'What is remembered of the order cannot be read, or contradicts itself; its polls fail or say facts twice.',
    RESTORE,
  ),
  'order.gap': check(
    'problem',
    'Events are missing in the middle of an order; whoever replays gets the order without them.',
    RESTORE,
  ),
  'order.sequence': check(
    'problem',
    'The number of events remembered is not that of the history: events were lost, or the order will be refused when it changes.',
    RESTORE,
  ),
  'order.unsaid': check(
    'problem',
    'The history has an event that the order does not remember; when the vendor shows the fact again, its poll fails.',
    RESTORE,
  ),
  'event.unreadable': check('problem', 'The event is not what the schema promises; receivers may refuse it.', RESTORE),
  'event.disagrees': check(
    'problem',
    'The event is stored under something else than it says, so filters, order and deduplication go by the wrong value.',
    RESTORE,
  ),
  'event.no_order': check(
    'problem',
    'The order of this event is not remembered; when the vendor shows it again, its poll fails.',
    RESTORE,
  ),
  'event.unpublished': check(
    'problem',
    'Events are stored and not in the event log, so no destination has them.',
    'Heals by itself once a process polls the connection and reaches the event log: see /readyz and `check`.',
  ),
  'history.numbers': check(
    'problem',
    'The next event would get a number that is taken, so no event can be stored.',
    'Set the counter of `events.n` beyond the largest `n`; a restore that left the counters out does this.',
  ),
  'offset.ahead': check(
    'problem',
    'The embedded log is read from beyond its end, so the next events would be delivered to nobody.',
    'Heals by itself within seconds where a process reads the log. `verify --repair` sets it to the beginning: events that come again carry their known ids.',
  ),
  'event_log.went_back': check(
    'info',
    'Within the last day the event log was found to be another one than was read, or to have lost events. It is read again from its beginning.',
    '`republish --since T` appends what it lost and the history has; receivers drop repeats by id.',
  ),
  'event_log.misfit': check(
    'problem',
    'The position of the dispatcher does not fit the event log: the log was made anew or restored, or lost events to its retention.',
    'A running dispatcher notices within seconds and reads from the beginning of the log. `republish --since T` appends what the log lost.',
  ),
  'lane.empty': check('problem', 'A lane without anything waiting; it costs one look now and then.', REPAIRS),
  'lane.missing': check('problem', 'Events wait in no lane, so they are never tried.', REPAIRS),
  'lane.held': check('problem', 'A lane is held although no dead letter holds it, so it never goes on.', REPAIRS),
  'backlog.event_missing': check(
    'problem',
    'Something waits whose event the history does not have; there is nothing to deliver.',
    REPAIRS,
  ),
  'backlog.disagrees': check(
    'problem',
    'An event waits under another order or sequence than its own, so it may be tried out of order.',
    'Remove and add the endpoint, then replay to it; or restore a backup.',
  ),
  'dead_letter.event_missing': check(
    'problem',
    'A dead letter whose event the history does not have; it cannot be shown or redriven.',
    REPAIRS,
  ),
  'dead_letter.not_held': check(
    'problem',
    'A dead letter says that its order waits for it, but the order goes on.',
    'Redrive it: `dead-letters redrive ID`.',
  ),
  'destination.unknown': check(
    'problem',
    'Events wait for a destination that is neither a handler nor an endpoint (any more).',
    'Put the handler back, or add an endpoint of this id and remove it again, which drops them; else they go with the retention of events.',
  ),
  'replay.unknown': check(
    'problem',
    'A replay was asked for a destination that is neither a handler nor an endpoint (any more).',
    'Heals by itself: it goes with the retention of events. Or put the handler back.',
  ),
  'connection.gap': check(
    'info',
    'A long look back is not read to its end.',
    'Heals by itself: it is read beside the polls.',
  ),
  'vendor.missing': check(
    'problem',
    'The vendor shows a fact that was never published, although the order was read since.',
    '`verify --against-vendor --repair`, or `poll CONNECTION --order ID`, reads the order again and publishes it.',
  ),
  'vendor.late': check(
    'info',
    'The vendor shows a fact that is newer than the last reading of the order.',
    'Heals by itself: it is published when the order is read next.',
  ),
  'vendor.different': check(
    'problem',
    'The vendor shows another value than the published one; events are never changed.',
    'Tell whoever needs to know; the event stays as it is.',
  ),
  'vendor.fuller': check(
    'info',
    'The vendor shows a value it did not give when the fact was published.',
    'Nothing; the event stays as it is.',
  ),
  'vendor.gone': check(
    'info',
    'The vendor does not show a published fact (any more). A fact is never taken back.',
    'Nothing, unless the vendor says that it never happened.',
  ),
  'vendor.not_found': check(
    'info',
    'The vendor does not know the order (any more). That is no cancellation.',
    'Nothing, unless many are missing: then see that the connection is still the same shop.',
  ),
  'vendor.unreadable': check(
    'problem',
    'The order as the vendor shows it now cannot be understood, so facts may be missing.',
    'See the quarantine: GET /v1/quarantine.',
  ),
  'vendor.unreached': check(
    'problem',
    'Orders could not be compared because the vendor could not be asked.',
    'See `check`, and verify again.',
  ),
} as const satisfies Record<string, Check>
