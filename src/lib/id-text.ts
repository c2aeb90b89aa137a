const LONGEST_ID = 255
// biome-ignore lint/suspicious/noControlCharactersInRegex: that is what is looked for
const CONTROL = /[\u0000-\u001f\u007f-\u009f]/

/** `.` and `..` are steps in a URL: no order is found under them, but something else. */
export const isStep = (id: string): boolean => id === '.' || id === '..'

/**
 * Whether a text can be an id of something at a vendor, wherever it comes from (a row, a webhook): any database keeps it to the letter, and
 * it can stand in a URL. U+FFFD stands for bytes that were no text: two ids that both had some would be one.
 */
export const isIdText = (text: string): boolean =>
  text !== '' &&
  text.length <= LONGEST_ID &&
  !CONTROL.test(text) &&
  !text.includes('\ufffd') &&
  !isStep(text) &&
  text.isWellFormed()
