import { createBackOff } from '../lib/back-off.ts'

/**
 * The circuit of one endpoint. It opens after ten failures in a row, over at least five seconds and of at least three orders: one order
 * that always fails must not delay others. While open, it lets one probe through at a time, at growing pauses; the first success closes
 * it. It is kept in memory only, because a restarted process finds a dead endpoint again within seconds.
 */
export interface Breaker {
  readonly open: boolean
  /** Milliseconds until something may be sent; Infinity while a probe is out. */
  wait(now: number): number
  /** Something is being sent. */
  sent(): void
  /** A send ended without saying anything about the endpoint, e.g. aborted. */
  forget(): void
  /** True: this success closed the circuit. */
  succeeded(): boolean
  /** True: this failure opened the circuit. */
  failed(orderKey: string, now: number): boolean
  /** When the current row of failures began; null: the last attempt succeeded, or there was none. */
  readonly failingSince: number | null
  /** The next probe may go now. */
  probe(now: number): void
  reset(): void
}

const FAILURES = 10
const SPAN = 5_000
const ORDERS = 3
const PROBES = { firstMs: 5_000, longestMs: 300_000 }

/** For those who see attempts only, not the circuits. */
export const CIRCUIT = { failures: FAILURES, spanMs: SPAN, orders: ORDERS, longestProbeMs: PROBES.longestMs } as const

/** `now` everywhere: milliseconds of a monotonic clock. */
export function createBreaker(): Breaker {
  let open = false
  let failures = 0
  let failingSince: number | null = null
  let probing = false
  const backOff = createBackOff(PROBES)
  let probeAt = 0
  const orders = new Set<string>()

  function reset(): void {
    open = false
    failures = 0
    failingSince = null
    probing = false
    backOff.reset()
    orders.clear()
  }

  return {
    get open() {
      return open
    },
    get failingSince() {
      return failingSince
    },
    wait: now => (!open ? 0 : probing ? Number.POSITIVE_INFINITY : Math.max(0, probeAt - now)),
    sent() {
      if (open) probing = true
    },
    forget() {
      probing = false
    },
    succeeded() {
      const closed = open
      if (failures > 0 || open) reset()
      return closed
    },
    failed(orderKey, now) {
      failures++
      failingSince ??= now
      if (orders.size < ORDERS) orders.add(orderKey)
      if (open) {
        // A late answer to a send from before the circuit opened is no probe and changes no pause.
        if (probing) probeAt = now + backOff.next()
        probing = false
        return false
      }
      if (failures < FAILURES || now - failingSince < SPAN || orders.size < ORDERS) return false
      open = true
      probeAt = now + backOff.next()
      return true
    },
    probe(now) {
      probeAt = Math.min(probeAt, now)
    },
    reset,
  }
}
