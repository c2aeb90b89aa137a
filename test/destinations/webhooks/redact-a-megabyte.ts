import { redact } from '../../../src/destinations/webhooks/excerpt.ts'

/** `node redact-a-megabyte.ts UNIT`: a program of its own, because nothing in the same one could end a pattern that runs for hours. */
const [unit = 'x'] = process.argv.slice(2)
redact(unit.repeat(2 ** 20 / unit.length))
