import type { Random } from '../../src/sandbox/random.ts'
import type { Broker } from './broker.ts'
import type { Disk } from './durable.ts'
import type { Plan } from './plan.ts'
import type { Weather } from './port.ts'
import { BOX, type Process } from './process.ts'
import type { Receiver } from './receiver.ts'
import type { Mishap, Slots } from './slots.ts'
import { spoilMood, worsen, worsenManners } from './storm.ts'
import type { Time } from './time.ts'
import type { Vendor } from './vendor.ts'

/** What may happen in a storm, and how often compared with the others. */
const WEIGHTS = {
  crash: 3,
  stop: 1,
  power: 2,
  freeze: 2,
  comeback: 2,
  aim: 4,
  jump: 1,
  rebalance: 2,
  refusal: 2,
  evict: 2,
  back: 2,
  republish: 1,
  weather: 2,
  manners: 2,
  outage: 1,
  disk: 1,
  burst: 2,
  pause: 2,
  replay: 2,
  opening: 2,
  removal: 1,
  redrive: 1,
  ask: 2,
  mood: 3,
} as const

export type Trouble = keyof typeof WEIGHTS

export const TROUBLES = Object.keys(WEIGHTS) as [Trouble, ...Trouble[]]
const LOT = TROUBLES.flatMap(trouble => Array.from({ length: WEIGHTS[trouble] }, () => trouble)) as [
  Trouble,
  ...Trouble[],
]

/** Calls whose effect and whose answer it matters most to have or not to have. */
const AIMS = [
  'store.orders.commit',
  'store.orders.commit',
  'store.orders.load',
  'store.connections.update',
  'store.events.markPublished',
  'store.lanes.spill',
  'store.lanes.delivered',
  'store.lanes.reschedule',
  'store.lanes.giveUp',
  'store.lanes.replay',
  'store.lanes.head',
  'store.lanes.existing',
  'store.replays.queued',
  'store.leases.takeOver',
  'store.leases.acquire',
  'store.leases.renew',
  'store.deadLetters.redrive',
  'store.offsets.set',
  'log.append',
] as const

/** One stroke of fate after the other. Operators act as well: they pause, resume, replay, redrive, and make endpoints. */
export function createStrikes(world: {
  plan: Plan
  dice: Random
  time: Time
  slots: Slots
  vendors: readonly Vendor[]
  receivers: readonly [Receiver, ...Receiver[]]
  broker: Broker | null
  disk: Disk
  storeWeather: Weather
  logWeather: Weather
  storming: () => boolean
  powerFails: () => void
  count: (what: string) => void
}): { strike(): void; begin(): void } {
  const { plan, dice, time, slots, vendors, receivers, broker, disk, storeWeather, logWeather, count } = world
  const { wildness } = plan
  const slot = () => dice.between(0, slots.size - 1)
  const ignore = () => {}
  const opened = new Set<string>()

  function outage(): void {
    const of = dice.pick([storeWeather, logWeather, ...vendors.map(({ manners }) => manners)])
    const before = of.lost
    of.lost = 0.95
    time.after(dice.between(3, 60) * 1000, () => {
      of.lost = Math.min(before, of.lost)
    })
  }

  function fullDisk(): void {
    disk.full = dice.pick([0.3, 1] as const)
    time.after(dice.between(1, 40) * 1000, () => {
      disk.full = 0
    })
  }

  function pauseOrResume({ id, kind }: Receiver): void {
    const by = slots.somebody()
    if (kind === 'handler' || !by) return
    const state = dice.pick(['active', 'paused'] as const)
    const patch = { state, stateReason: null, updatedAt: by.life.clock.now() }
    void by.store.endpoints
      .update(id, patch)
      .then(() => by.dispatch.refresh())
      .then(() => by.dispatch.wake())
      .catch(ignore)
  }

  /** One of the endpoints that are made later comes to be, while much is going on. */
  function open(by: Process | null): void {
    const receiver = receivers.find(({ id, late }) => late && !opened.has(id))
    if (!by || !receiver) return
    const options = plan.mode === 'solo' || dice.chance(0.5) ? { replaySince: 0 } : { shared: true }
    void by.store.endpoints
      .insert(receiver.row(BOX.seal, by.life.clock.now()), options)
      .then(() => {
        opened.add(receiver.id)
        return by.dispatch.refresh()
      })
      .catch(ignore)
  }

  /** One of them goes again, with all that waits for it. */
  function remove(by: Process | null): void {
    const [id] = opened
    if (!by || id === undefined || dice.chance(0.5)) return
    void by.store.endpoints
      .remove(id)
      .then(() => by.dispatch.refresh())
      .catch(ignore)
  }

  /** Somebody wants a poll now, and asks any of the processes. */
  function ask(): void {
    const running = slots.running()
    const by = running[dice.between(0, running.length - 1)]
    const vendor = dice.pick(vendors as [Vendor, ...Vendor[]])
    const [orderId] = [...vendor.orders.keys()].slice(-1)
    const one = vendor.kind !== 'follow' && orderId !== undefined && dice.chance(0.3) ? { orderId } : {}
    by?.life.run(() => void by.ingest.poll(vendor.id, { ...one, signal: new AbortController().signal }).catch(ignore))
  }

  function burst(): void {
    for (const vendor of vendors) vendor.burst()
  }

  /** A process is away for so long that others take its place, and acts before it knows. */
  function comeback(): void {
    const at = slot()
    const ms = dice.between(21_000, 28_000)
    slots.freeze(at, ms)
    if (dice.chance(0.5)) time.after(ms - dice.between(0, 6_000), () => strikeWith('burst', null))
    const what = dice.pick(['opening', 'opening', 'opening', 'replay', 'rebalance', 'redrive'] as const)
    time.after(ms + dice.between(1, 2_500), () => strikeWith(what, slots.at(at)))
  }

  /** The group takes a process for dead, which goes on, and acts before it knows. */
  function evict(): void {
    const life = broker?.lose()
    const by = slots.running().find(one => one.life === life)
    if (by) time.after(dice.between(1, 2_500), () => strikeWith(dice.pick(['opening', 'replay', 'burst'] as const), by))
  }

  /** An operator has past events put into the log again, all of them or some. */
  function republish(by: Process | null): void {
    if (!by || !broker) return
    const since = dice.pick([0, by.life.clock.now() - 20_000] as const)
    by.life.run(() => {
      for (const { id: connection } of vendors)
        void by.store.events
          .unpublish({ connection, since, after: '', orders: 1_000 })
          .then(() => by.ingest.publish(connection))
          .catch(ignore)
    })
  }

  const troubles: Record<Trouble, (by: Process | null) => void> = {
    crash: () => slots.crash(slot()),
    stop: () => void slots.restart(slot()),
    power: world.powerFails,
    freeze: () => slots.freeze(slot()),
    comeback,
    aim() {
      const call = dice.pick(AIMS)
      slots.aim(
        slot(),
        dice.chance(0.5) ? call : `${call} done`,
        dice.pick(['death', 'freeze'] satisfies [Mishap, Mishap]),
      )
    },
    jump() {
      const ms = dice.pick([-3_600_000, 3_600_000] as const)
      if (plan.jumps) slots.at(slot())?.life.jump(ms)
    },
    rebalance: () => broker?.rebalance(),
    // A log that refuses some is met best while there is much to publish.
    refusal() {
      broker?.refuse(dice.between(1, 60) * 1000)
      burst()
    },
    evict,
    back: () => broker?.goBack(),
    republish,
    weather() {
      worsen(storeWeather, dice, wildness)
      worsen(logWeather, dice, wildness)
    },
    manners() {
      for (const { manners } of vendors) worsenManners(manners, dice, wildness)
    },
    outage,
    disk: fullDisk,
    burst,
    pause: () => pauseOrResume(dice.pick(receivers)),
    replay(by) {
      const filter = dice.pick([
        {},
        { types: ['order.shipped'] },
        { types: ['order.refunded', 'order.cancelled'] },
      ] as const)
      void by?.dispatch.replay(dice.pick(receivers).id, filter).catch(ignore)
      // It ends as soon as the replay is in the store.
      if (dice.chance(0.4)) slots.aim(slot(), 'store.replays.queued done', 'death')
    },
    opening(by) {
      open(by)
      burst()
    },
    removal: remove,
    ask,
    redrive(by) {
      const destination = dice.pick(receivers).id
      void by?.store.deadLetters.redrive({ destination }, by.life.clock.now()).then(() => by.dispatch.wake(), ignore)
    },
    mood: () => spoilMood(dice.pick(receivers).mood, dice, wildness),
  }

  function strikeWith(trouble: Trouble, by: Process | null): void {
    if (plan.without.includes(trouble) || !world.storming()) return
    count(trouble)
    troubles[trouble](by)
  }

  return {
    strike: () => strikeWith(dice.pick(LOT), slots.somebody()),
    begin() {
      // It is bad weather already; and what takes long has to begin early.
      worsen(storeWeather, dice, wildness / 4)
      if (dice.chance(0.5)) troubles.manners(null)
      for (const { mood } of receivers) if (dice.chance(0.4)) spoilMood(mood, dice, wildness)
      if (slots.size > 1 && dice.chance(0.5))
        time.after(dice.between(1_000, 6_000), () => strikeWith('comeback', slots.somebody()))
    },
  }
}
