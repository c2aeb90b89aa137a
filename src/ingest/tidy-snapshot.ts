import type { OrderSnapshot } from '../../schemas/order.ts'
import { cleanReason, cutText, maskContacts, withoutControls } from '../lib/clean-text.ts'
import { webAddress } from '../lib/web-address.ts'

const LONGEST_METHOD = 200

/**
 * The snapshot as it may be stored and published, whatever source it comes from: free texts without contacts and control characters,
 * links that lead to the web only. `reasons` false: without reasons. A snapshot that is tidy already is returned as it is: its text,
 * made for its digest, is then the text that is stored.
 */
export function tidySnapshot(snapshot: OrderSnapshot, { reasons }: { reasons: boolean }): OrderSnapshot {
  const reasonOf = (text: string | null) => (reasons ? cleanReason(text) : null)
  const { paid, refund, cancelled, packages } = snapshot
  const tidy: Pick<OrderSnapshot, 'paid' | 'packages' | 'refund' | 'cancelled'> = {
    paid: paid && withMember(paid, 'method', methodOf(paid.method)),
    packages: each(packages, parcel => withMember(parcel, 'trackingUrl', webAddress(parcel.trackingUrl))),
    refund:
      refund &&
      withMember(
        withMember(refund, 'reason', reasonOf(refund.reason)),
        'records',
        typeof refund.records === 'string'
          ? refund.records
          : each(refund.records, record => withMember(record, 'reason', reasonOf(record.reason))),
      ),
    cancelled: cancelled && withMember(cancelled, 'reason', reasonOf(cancelled.reason)),
  }
  const isTidy =
    tidy.paid === paid && tidy.packages === packages && tidy.refund === refund && tidy.cancelled === cancelled
  return isTidy ? snapshot : { ...snapshot, ...tidy }
}

/** The same object where the member is as given. */
const withMember = <T extends object, K extends keyof T>(object: T, name: K, value: T[K]): T =>
  object[name] === value ? object : { ...object, [name]: value }

/** The same list where no item changes. */
function each<T>(items: T[], change: (item: T) => T): T[] {
  const changed = items.map(change)
  return changed.every((item, at) => item === items[at]) ? items : changed
}

/** A method of payment may name the payer's account, such as a mail address or a card number. */
const methodOf = (text: string | null): string | null =>
  text === null ? null : cutText(maskContacts(withoutControls(text)), LONGEST_METHOD) || null
