import type { OrderSnapshot } from '../../schemas/order.ts'
import { cleanReason, cutText, maskContacts, withoutControls } from '../lib/clean-text.ts'
import { webAddress } from '../lib/web-address.ts'

const LONGEST_METHOD = 200

/**
 * The snapshot as it may be stored and published, whatever source it comes from: free texts without contacts and control characters,
 * links that lead to the web only. `reasons` false: without reasons.
 */
export function tidySnapshot(snapshot: OrderSnapshot, { reasons }: { reasons: boolean }): OrderSnapshot {
  const reasonOf = (text: string | null) => (reasons ? cleanReason(text) : null)
  const { paid, refund, cancelled, packages } = snapshot
  return {
    ...snapshot,
    paid: paid && { ...paid, method: methodOf(paid.method) },
    packages: packages.map(parcel => ({ ...parcel, trackingUrl: webAddress(parcel.trackingUrl) })),
    refund: refund && {
      ...refund,
      reason: reasonOf(refund.reason),
      records:
        typeof refund.records === 'string'
          ? refund.records
          : refund.records.map(record => ({ ...record, reason: reasonOf(record.reason) })),
    },
    cancelled: cancelled && { ...cancelled, reason: reasonOf(cancelled.reason) },
  }
}

/** A method of payment may name the payer's account, such as a mail address or a card number. */
const methodOf = (text: string | null): string | null =>
  text === null ? null : cutText(maskContacts(withoutControls(text)), LONGEST_METHOD) || null
