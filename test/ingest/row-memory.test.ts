import { describe, expect, test } from 'vitest'
import { createRowMemory } from '../../src/ingest/row-memory.ts'

const lease = { name: 'connection/shop', owner: 'one', epoch: 1 }
const order = (orderId: string) => ({ orderId, updatedAt: '2026-03-05T12:00:00.000Z' })
const bytesOf = (...orderIds: string[]) => {
  return () => new Map(orderIds.map(orderId => [orderId, { mark: `bytes of ${orderId}`, length: 10 }]))
}
const bytes = (orderId: string) => `bytes of ${orderId}`

/** A memory that knows the rows of these orders since its first poll. */
function knowing(...orderIds: string[]) {
  const memory = createRowMemory(100)
  const known = memory.begin(lease)
  memory.remember(memory.moment(), orderIds.map(order), bytesOf(...orderIds))
  return { memory, known }
}

describe('a row of an unchanged order', () => {
  test('is known in the next poll', () => {
    const { memory } = knowing('o-1')
    expect(memory.begin(lease).find(bytes('o-1'))).toMatchObject(order('o-1'))
  })

  test('is known no more when its order is written, before and after the write ends', () => {
    const { memory, known } = knowing('o-1', 'o-2')
    const written = memory.writing(['o-1'])
    expect(known.find(bytes('o-1'))).toBeUndefined()
    written()
    expect(known.find(bytes('o-1'))).toBeUndefined()
    expect(known.find(bytes('o-2'))).toBeDefined()
  })

  test('is not remembered when something was written while the store was asked', () => {
    const { memory, known } = knowing()
    const moment = memory.moment()
    memory.writing(['o-1'])()
    memory.remember(moment, [order('o-1')], bytesOf('o-1'))
    expect(known.size).toBe(0)
  })

  test('is not remembered while a write is under way', () => {
    const { memory, known } = knowing()
    const written = memory.writing(['o-1'])
    memory.remember(memory.moment(), [order('o-1')], bytesOf('o-1'))
    written()
    expect(known.size).toBe(0)
  })

  test('is known no more under another lease, nor under the same lease taken again', () => {
    const { memory } = knowing('o-1')
    expect(memory.begin({ ...lease, epoch: 3 }).size).toBe(0)
    expect(memory.begin({ ...lease, epoch: 1 }).size).toBe(0)
  })

  test('is forgotten when a poll did not list it', () => {
    const { memory, known } = knowing('o-1', 'o-2')
    memory.begin(lease)
    const [row] = [known.find(bytes('o-2'))]
    if (row) memory.listed([row])
    memory.begin(lease)
    expect(known.find(bytes('o-1'))).toBeUndefined()
    expect(known.find(bytes('o-2'))).toBeDefined()
  })

  test('replaces an earlier row of the same order', () => {
    const { memory, known } = knowing('o-1')
    const other = () => new Map([['o-1', { mark: 'other bytes', length: 12 }]])
    memory.remember(memory.moment(), [order('o-1')], other)
    expect(known.find(bytes('o-1'))).toBeUndefined()
    expect(known.find('other bytes')).toMatchObject({ orderId: 'o-1', length: 12 })
  })

  test('leads to the row that was listed behind it', () => {
    const { memory, known } = knowing('o-1', 'o-2', 'o-3')
    const [first, third] = [known.find(bytes('o-1')), known.find(bytes('o-3'))]
    if (!first || !third) throw new Error('both are known')
    expect(known.behind(first)?.orderId).toBe('o-2')
    memory.listed([first, third])
    expect(known.behind(first)?.orderId).toBe('o-3')
  })

  test('is left out when the memory is full, and its bytes are not even looked for', () => {
    const memory = createRowMemory(1)
    const known = memory.begin(lease)
    memory.remember(memory.moment(), [order('o-1'), order('o-2')], bytesOf('o-1', 'o-2'))
    expect(known.size).toBe(1)
    memory.remember(memory.moment(), [order('o-3')], () => {
      throw new Error('not asked')
    })
    expect(known.size).toBe(1)
  })
})
