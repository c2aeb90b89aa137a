const LONGEST_ID = 255
// biome-ignore lint/suspicious/noControlCharactersInRegex: that is what is looked for
const CONTROL = /[\u0000-\u001f\u007f-\u009f]/

/** `.` and `..` are path steps: a URL with one of them as an id leads to something else. */
export const isStep = (id: string): boolean => id === '.' || id === '..'

/**
 * Whether a text can be a vendor's id, wherever it comes from (a row, a webhook): every database stores it unchanged, and it fits into a URL.
 * U+FFFD replaces bytes that were not valid text, so two different ids could become one.
 */
export const isIdText = (text: string): boolean =>
  text !== '' &&
  text.length <= LONGEST_ID &&
  !CONTROL.test(text) &&
  !text.includes('\ufffd') &&
  !isStep(text) &&
  text.isWellFormed()
