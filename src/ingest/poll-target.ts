import type { Clock } from '../lib/clock.ts'
import type { WakeUp } from '../lib/wake-up.ts'
import type { OrderSource } from '../sources/source.ts'
import type { Store } from '../store/store.ts'
import type { Log } from '../telemetry/log.ts'
import type { AppliedPage, ApplyPage } from './apply-page.ts'
import type { RowMemory } from './row-memory.ts'
import type { SpanReaders } from './spans.ts'
import type { WindowReader } from './window-reader.ts'

/** One connection as ingest works it: its source, its readers, and the options that polls need. */
export interface PollTarget {
  readonly connection: string
  readonly source: OrderSource
  readonly store: Store
  readonly clock: Clock
  readonly log: Log
  /** The vendor's clock: ours may be minutes off. */
  readonly vendorNow: (signal: AbortSignal) => Promise<number>
  readonly applyPage: ApplyPage
  /** What `applyPage` knows of rows that it need not see again. */
  readonly memory: RowMemory
  /** null: the vendor has no list of what changed. */
  readonly reader: WindowReader | null
  /** For spans that are read again by creation and by update time. null: as `reader`. */
  readonly spanReaders: SpanReaders | null
  readonly pollEveryMs: number
  readonly overlapMs: number
  /** Where the first poll begins, milliseconds since the epoch, given when the connection was first seen. */
  readonly backfillFrom: (firstSeenAt: number) => number
  /** How often recent orders are read again, and how far back, milliseconds; false: never. */
  readonly reconcile: { readonly every: number; readonly lookBack: number } | false
  /** The vendor may send us webhooks of this connection. */
  readonly takesWebhooks: boolean
}

/** The dependencies of whoever reads spans of a connection again, beside its polls. */
export interface PassDeps {
  readonly polled: PollTarget
  readonly clock: Clock
  readonly log: Log
  readonly took: (taken: readonly AppliedPage[]) => void
  /** Woken by every successful poll. */
  readonly pollWentWell: WakeUp
  /** Called with the error that interrupts the pass; null: it goes on. */
  readonly onTrouble: (error: unknown) => void
}
