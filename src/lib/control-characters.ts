/**
 * The one rule for characters that control how text is shown. C0 and C1 move a terminal's cursor, change colours or begin a line; bidi controls
 * change the direction of the text behind them; some programs read U+2028 and U+2029 as line breaks.
 */
// biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is looked for
const UNSEEN = /[\u0000-\u001f\u007f-\u009f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]/g
// biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is looked for
const UNSEEN_BUT_LINES = /[\u0000-\u0009\u000b-\u001f\u007f-\u009f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]/g
const UNESCAPED_IN_JSON = /[\u007f-\u009f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]/g
const BREAKS = /\r\n|[\t\n\r\u0085\u2028\u2029]/g
// biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is taken out
const CONTROLS = /[\u0000-\u001f\u007f-\u009f]/g

const escaped = (character: string): string => `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`

/** One line of a terminal or of a log for people: control characters, line breaks included, are shown as `\u001b`. */
export const visibleLine = (text: string): string => text.replace(UNSEEN, escaped)

/** The same for our own texts of several lines: line breaks stay. */
export const visibleLines = (text: string): string => text.replace(UNSEEN_BUT_LINES, escaped)

/** JSON escapes C0 by itself. This escapes the others too; the JSON keeps its meaning. */
export const escapeJson = (json: string): string => json.replace(UNESCAPED_IN_JSON, escaped)

/** The same for JSON whose strings are shown to people after parsing: there they read `\u009b`, and are not the character itself. */
export const visibleInJson = (json: string): string =>
  json.replace(UNESCAPED_IN_JSON, character => `\\${escaped(character)}`)

/** Cleans a text from outside before it is stored: tabs and line breaks become spaces, the rest of C0 and C1 is dropped. */
export const withoutControls = (text: string): string => text.replace(BREAKS, ' ').replace(CONTROLS, '')
