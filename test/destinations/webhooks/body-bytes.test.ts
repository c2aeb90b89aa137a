import { describe, expect, test } from 'vitest'
import { createBodyBytes } from '../../../src/destinations/webhooks/body-bytes.ts'
import { eventRecord } from '../../helpers/event-records.ts'

describe('the bytes of a body', () => {
  test('are those of its text, encoded once for all endpoints that get the event', () => {
    const bytesOf = createBodyBytes()
    const [one, other] = [eventRecord({ sequence: 1 }), eventRecord({ sequence: 2 })]
    const first = bytesOf(one)
    expect(first.toString('utf8')).toBe(one.body)
    expect(bytesOf(other).toString('utf8')).toBe(other.body)
    expect(bytesOf(one)).toBe(first)
  })

  test('are kept up to a limit, and right beyond it', () => {
    const bytesOf = createBodyBytes(1_000)
    const events = Array.from({ length: 5 }, (_, at) => eventRecord({ sequence: at + 1 }))
    const before = events.map(bytesOf)
    const [kept, [first]] = [events.filter((event, at) => bytesOf(event) === before[at]), events]
    expect(kept).not.toContain(first)
    for (const event of events) expect(bytesOf(event).toString('utf8')).toBe(event.body)
  })
})
