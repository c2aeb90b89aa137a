/** Cleaning of texts that people typed at a vendor, before they go into events, terminals and logs. Pure, and linear in the text's length. */

const BREAKS = /[\t\n\v\f\r\u0085\u2028\u2029]+/g
// C0, C1, and invisible characters that reorder or hide text.
// biome-ignore lint/suspicious/noControlCharactersInRegex: these are the characters to remove
const CONTROLS = /[\u0000-\u001f\u007f-\u009f\u200b\u200e\u200f\u202a-\u202e\u2060-\u2069\ufeff]/g

/** Without control characters; tabs and line breaks become spaces, a lone surrogate becomes U+FFFD. */
export const withoutControls = (text: string): string =>
  text.toWellFormed().replace(BREAKS, ' ').replace(CONTROLS, '').trim()

const WORD = /[^\s<>()[\]{},;"'|]+/gu
const HOLDS_ADDRESS = /.[@\uff20]./u
/** Seven digits or more, in any script, with an optional plus and up to three separators between two digits. */
const PHONE = /[+\uff0b]?\(?\p{Nd}(?:[\s().\-/\u00b7\u2010-\u2015]{0,3}\p{Nd}){6,}/gu

/** With `[email]` for mail addresses and `[phone]` for anything that may be a phone number, order numbers and amounts included. */
export const maskContacts = (text: string): string =>
  text.replace(WORD, word => (HOLDS_ADDRESS.test(word) ? '[email]' : word)).replace(PHONE, '[phone]')

/** The first `most` code points: never half of a surrogate pair. */
export function cutText(text: string, most: number): string {
  if (text.length <= most) return text
  let end = 0
  for (let count = 0; count < most && end < text.length; count++) end += (text.codePointAt(end) ?? 0) > 0xffff ? 2 : 1
  return text.slice(0, end)
}

const LONGEST_REASON = 200

/** A free-text reason as events may carry it: masked first, then cut to 200 characters. null: nothing is left. */
export function cleanReason(text: string | null): string | null {
  if (text === null) return null
  return cutText(maskContacts(withoutControls(text)), LONGEST_REASON).trim() || null
}
