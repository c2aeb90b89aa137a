import { AppError } from '../lib/errors.ts'

/** So many pages in a row without an order that was not on an earlier one are no drift any more. */
const MOST = 20

/** Notices pages that lead nowhere (a page number that is ignored, tokens without end): to be told of each page whether it brought anything. Throws when it is enough. */
export function detectEndlessPages(): (broughtSomething: boolean) => void {
  let barren = 0
  return broughtSomething => {
    barren = broughtSomething ? 0 : barren + 1
    if (barren < MOST) return
    throw new AppError(
      `The vendor answered ${MOST} pages in a row with orders it had answered before, and says that there are more; reading was given up and nothing was skipped. It is tried again.`,
      { code: 'vendor.endless_pages', intent: 'retry' },
    )
  }
}
