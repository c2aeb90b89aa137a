import type { Delivery } from '../../schemas/config.ts'

/** Retries of one moment are spread by this share, so that they do not come back as one. */
const JITTER = 0.2

/** `ms` ± 20 %. */
export const jittered = (ms: number, random: () => number): number =>
  Math.round(ms * (1 - JITTER + 2 * JITTER * random()))

/**
 * The pause after the failed attempt number `attempt` (from 1), milliseconds, before jitter.
 * null: the retries are used up. `retries: []` means one attempt only.
 */
export const pauseAfter = (attempt: number, delivery: Pick<Delivery, 'retries'>): number | null =>
  delivery.retries[attempt - 1] ?? null
