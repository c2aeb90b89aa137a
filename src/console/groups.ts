import { digestOf } from './sessions.ts'

/**
 * The name of a group of rows that share texts, for links and forms: browsers change line breaks and control characters of a text that they
 * send, so the text itself would not come back as it was.
 */
export const groupOf = (...texts: readonly string[]): string => digestOf(JSON.stringify(texts)).slice(0, 16)
