import { describe, expect, test } from 'vitest'
import type { AlertState } from '../../../src/store/port/alerts.ts'
import { LEASE_LOST } from '../../../src/store/port/leases.ts'
import { eventRecord } from '../../helpers/event-records.ts'
import { attemptRow, leaseOf, NOW, remember, type World } from './world.ts'

const state = (own: Partial<AlertState> = {}): AlertState => ({
  alert: 'ops',
  subject: 'endpoint/billing',
  condition: 'failing',
  since: NOW,
  announced: null,
  announcedAt: null,
  mark: 0,
  ...own,
})
const notice = (own: { alert?: string; subject?: string; body?: string; at?: number } = {}) => ({
  ...{ alert: 'ops', subject: 'endpoint/billing', body: '{"n":1}', at: NOW },
  ...own,
})
const NOTHING = { put: [], remove: [], notices: [] }

export function alertContract(world: World): void {
  describe('alerts', () => {
    test('states and notices are stored together, replaced and removed, and outlive a restart', async () => {
      const lease = await leaseOf(world.store, 'alerts')
      const other = state({ subject: 'connection/shop', condition: 'stopped' })
      await world.store.alerts.save(lease, { ...NOTHING, put: [state(), other], notices: [notice()] })
      const announced = state({ announced: 'failing', announcedAt: NOW + 5 })
      await world.store.alerts.save(lease, { ...NOTHING, put: [announced], remove: [other] })
      await world.reopen()
      expect(await world.store.alerts.states()).toEqual([announced])
      expect(await world.store.alerts.due('ops', NOW, 10)).toMatchObject([
        { alert: 'ops', subject: 'endpoint/billing', body: '{"n":1}', createdAt: NOW, attempts: 0 },
      ])
    })

    test('a process whose lease has passed to another changes nothing', async () => {
      const { alerts, leases } = world.store
      const lost = await leaseOf(world.store, 'alerts', 'old')
      await alerts.save(lost, { ...NOTHING, notices: [notice()] })
      const [waiting] = await alerts.due('ops', NOW, 10)
      const n = waiting?.n ?? 0
      await leases.release(lost)
      await leaseOf(world.store, 'alerts', 'new')
      const gone = { code: LEASE_LOST }
      await expect(alerts.save(lost, { ...NOTHING, put: [state()], notices: [notice()] })).rejects.toMatchObject(gone)
      await expect(alerts.postpone(lost, n, NOW + 1)).rejects.toMatchObject(gone)
      await expect(alerts.removeNotice(lost, n)).rejects.toMatchObject(gone)
      await expect(alerts.keepOnly(lost, [])).rejects.toMatchObject(gone)
      expect(await alerts.states()).toEqual([])
      expect(await alerts.due('ops', NOW, 10)).toEqual([waiting])
    })

    test('notices of one subject are due one after another, those of others are not delayed', async () => {
      const { alerts } = world.store
      const lease = await leaseOf(world.store, 'alerts')
      const notices = [
        notice({ body: 'first' }),
        notice({ body: 'second' }),
        notice({ subject: 'connection/shop', body: 'other' }),
        notice({ alert: 'chat', body: 'elsewhere' }),
        notice({ subject: 'connection/kk', body: 'later', at: NOW + 10 }),
      ]
      await alerts.save(lease, { ...NOTHING, notices })
      const bodies = async (now = NOW) => (await alerts.due('ops', now, 10)).map(({ body }) => body)
      expect(await bodies()).toEqual(['first', 'other'])
      const [first] = await alerts.due('ops', NOW, 1)
      await alerts.postpone(lease, first?.n ?? 0, NOW + 20)
      expect(await bodies()).toEqual(['other'])
      expect(await bodies(NOW + 20)).toEqual(['first', 'other', 'later'])
      expect((await alerts.due('ops', NOW + 20, 1))[0]?.attempts).toBe(1)
      await alerts.removeNotice(lease, first?.n ?? 0)
      expect(await bodies()).toEqual(['second', 'other'])
    })

    test('receivers that are not configured any more leave nothing', async () => {
      const { alerts } = world.store
      const lease = await leaseOf(world.store, 'alerts')
      const put = [state(), state({ alert: 'chat' })]
      await alerts.save(lease, { ...NOTHING, put, notices: [notice(), notice({ alert: 'chat' })] })
      await alerts.keepOnly(lease, ['chat'])
      expect((await alerts.states()).map(({ alert }) => alert)).toEqual(['chat'])
      expect(await alerts.due('ops', NOW, 10)).toEqual([])
      expect(await alerts.due('chat', NOW, 10)).toHaveLength(1)
    })

    test('the health of an endpoint is its newest attempt, and the failures that nothing delivered came after', async () => {
      const { alerts, deliveries } = world.store
      expect(await alerts.health('billing', 0)).toEqual({ newest: null, failures: [] })
      const events = ['a', 'b', 'c', 'd'].map(orderId => eventRecord({ orderId }))
      const attempt = (index: number, own: object) => {
        const event = events[index]
        if (!event) throw new Error('there are four')
        return attemptRow(event, { outcome: 'retry', error: 'answered 500', response: 'busy', at: NOW + index, ...own })
      }
      await deliveries.record([attempt(0, {}), attempt(1, { outcome: 'delivered', error: null }), attempt(2, {})])
      await deliveries.record([attempt(3, { error: 'no answer' })])
      const failed = (index: number) => ({ at: NOW + index, orderKey: events[index]?.orderKey })
      expect(await alerts.health('billing', 0)).toEqual({
        newest: { outcome: 'retry', at: NOW + 3, error: 'no answer', response: 'busy' },
        failures: [failed(2), failed(3)],
      })
      expect((await alerts.health('billing', NOW + 3)).failures).toEqual([failed(3)])
      await deliveries.record([attempt(0, { outcome: 'delivered', at: NOW + 9, error: null })])
      expect(await alerts.health('billing', 0)).toMatchObject({ newest: { outcome: 'delivered' }, failures: [] })
    })

    test('dead letters are counted by destination from a number on', async () => {
      const { alerts, lanes } = world.store
      expect(await alerts.newestLetters()).toEqual(new Map())
      const events = ['a', 'b', 'c'].map(orderId => eventRecord({ orderId }))
      await remember(world.store, events)
      const giveUp = async (destination: string, index: number, lastError: string) => {
        const event = events[index]
        if (!event) throw new Error('there are three')
        const { id: eventId, orderKey } = event
        await lanes.deadLetter({ destination, orderKey, eventId, at: NOW, attempts: 3, lastError, hold: false })
      }
      await giveUp('mail', 0, 'first')
      const before = (await alerts.newestLetters()).get('mail') ?? 0
      await giveUp('search', 0, 'elsewhere')
      await giveUp('mail', 1, 'second')
      await giveUp('mail', 2, 'third')
      expect([...(await alerts.newestLetters()).keys()].sort()).toEqual(['mail', 'search'])
      expect(await alerts.lettersAfter('mail', before)).toEqual({ count: 2, lastError: 'third' })
      const newest = (await alerts.newestLetters()).get('mail') ?? 0
      expect(await alerts.lettersAfter('mail', newest)).toMatchObject({ count: 0 })
    })

    test('what the event log refuses of a connection is kept with it, until it refuses nothing', async () => {
      const { connections } = world.store
      await connections.configure([{ id: 'shop', vendor: 'shoplazza', fingerprint: 'f' }])
      const lease = await leaseOf(world.store)
      expect((await connections.get('shop'))?.refused).toBeNull()
      await connections.update(lease, 'shop', { refused: 'Order 7 waits: too large' })
      await connections.update(lease, 'shop', { nextPollAt: NOW })
      expect((await connections.list())[0]?.refused).toBe('Order 7 waits: too large')
      await connections.update(lease, 'shop', { refused: null })
      expect((await connections.get('shop'))?.refused).toBeNull()
    })
  })
}
