import { pino } from 'pino'
import { readAgain } from '../../src/api/read-again.ts'
import { decodeAhead } from '../../src/event-log/ahead.ts'
import { messageOf } from '../../src/lib/errors.ts'
import { createRandom, type Random } from '../../src/sandbox/random.ts'
import type { Log } from '../../src/telemetry/log.ts'
import { createMetrics } from '../../src/telemetry/metrics.ts'
import { createBroker } from './broker.ts'
import { createChecks } from './checks.ts'
import { createDurable } from './durable.ts'
import { heal } from './heal.ts'
import { makePlan, type Plan } from './plan.ts'
import { calm } from './port.ts'
import { BOX, bootProcess } from './process.ts'
import { createReceiver, goodMood, type Receiver, type Watch } from './receiver.ts'
import { EPOCH } from './session.ts'
import { calmManners } from './shop.ts'
import { createSlots } from './slots.ts'
import { createStrikes } from './strikes.ts'
import { createTime } from './time.ts'
import { createTrace } from './trace.ts'
import { createVendor } from './vendor.ts'

export interface RunResult {
  readonly seed: number
  readonly plan: Plan
  readonly violations: readonly string[]
  /** Digest of everything that happened. */
  readonly digest: string
  readonly tail: readonly string[]
  readonly counts: Readonly<Record<string, number>>
  readonly virtualMs: number
}

export interface RunOptions {
  /** Parts of the plan that are to be other than the seed says. */
  readonly plan?: Partial<Plan>
  readonly fullTrace?: boolean
  readonly logs?: boolean
}

const metrics = createMetrics()

/** One run of the whole program in a simulated world: a storm of `plan.stormMs`, then calm until everything has healed. */
export async function simulate(seed: number, options: RunOptions = {}): Promise<RunResult> {
  const random = createRandom(Math.imul(seed + 1, 0x9e3779b1))
  const fork = (): Random => createRandom(Math.floor(random.next() * 2 ** 32))
  const plan: Plan = { ...makePlan(fork()), ...options.plan }
  const time = createTime()
  const trace = createTrace(() => time.now, { all: options.fullTrace ?? false })
  trace.note(`seed ${seed}: ${JSON.stringify(plan)}`)
  const counts: Record<string, number> = {}
  const count = (what: string, by = 1) => {
    counts[what] = (counts[what] ?? 0) + by
  }
  const diskDice = fork()
  const databaseNow = plan.mode === 'solo' ? null : () => Math.floor(EPOCH + time.now)
  const durable = await createDurable({ databaseNow, chance: diskDice.chance, power: plan.power })
  const storeWeather = calm()
  const logWeather = calm()
  const vendors = plan.vendors.map((kind, index) =>
    createVendor({ number: index + 1, kind, plan, time, random: fork(), trace, changed: announce }),
  )
  const checks = createChecks({
    durable,
    time,
    trace,
    vendors,
    receivers: () => receivers,
    datedRises: !plan.jumps && !plan.silent,
    retriesAlone: !plan.jumps && plan.mode === 'solo',
  })
  const receivers = makeReceivers(fork(), checks)
  for (const receiver of receivers)
    if (receiver.kind === 'endpoint' && !receiver.late)
      await durable.store.endpoints.insert(receiver.row(BOX.seal, EPOCH))
  const broker =
    plan.mode === 'cluster'
      ? createBroker({
          partitions: plan.partitions,
          batch: plan.batch,
          time,
          trace,
          random: fork(),
          weather: logWeather,
          committing: (_, entries, from, to) => checks.settling(entries.slice(from, to + 1)),
        })
      : null
  const dice = fork()
  const log = options.logs ? logInto(line => trace.note(`log ${line}`)) : pino({ level: 'silent' })
  let storming = true
  let settled = 0

  function makeReceivers(from: Random, watch: Watch): readonly [Receiver, ...Receiver[]] {
    const bodyOf = (id: string) => durable.query<{ body: string }>('select body from history where id = ?', id)[0]?.body
    const shared = { time, trace, watch, bodyOf, connections: null, types: null }
    const retries = [...plan.retries]
    const [concurrency, few] = [from.pick([1, 2, 16] as const), from.between(1, 4)]
    const onExhausted = from.pick(['continue', 'hold'] as const)
    const rateLimit = from.chance(0.5) ? { perSecond: 5, burst: 2 } : null
    const all = createReceiver({
      ...shared,
      id: 'all',
      kind: 'handler',
      random: fork(),
      delivery: { concurrency, retries, onExhausted },
    })
    const some = createReceiver({
      ...shared,
      id: 'some',
      kind: 'endpoint',
      random: fork(),
      types: ['order.paid', 'order.shipped', 'order.refunded'],
      delivery: { onExhausted, concurrency: few, retries },
    })
    const [late, later] = (['late', 'later'] as const).map(id =>
      createReceiver({ ...shared, id, kind: 'endpoint', late: true, random: fork(), delivery: { retries } }),
    ) as [Receiver, Receiver]
    const slow = createReceiver({
      ...shared,
      id: 'slow',
      kind: 'endpoint',
      random: fork(),
      connections: ['v1'],
      delivery: { rateLimit, retries },
    })
    const [first, ...others] = from.chance(0.5)
      ? ([all, some, late, slow, later] as const)
      : ([some, late, later, all, slow] as const)
    return [first, ...others.slice(0, plan.receivers - 1)]
  }

  /** What vendors announce, sooner or later or never, is read at once by whoever works the connection. */
  function announce(connection: string, orderId: string): void {
    const speaks = plan.announces && vendors.find(({ id }) => id === connection)?.kind !== 'follow'
    if (!speaks || !dice.chance(0.6)) return
    time.after(dice.between(0, dice.pick([50, 3_000] as const)), () => {
      const running = slots.running()
      const by = running[dice.between(0, running.length - 1)]
      by?.life.run(() => {
        const deps = { ...by, clock: by.life.clock }
        void readAgain(deps, connection, orderId, { announced: true }).catch(() => {})
      })
    })
  }

  const slots = createSlots({
    size: plan.processes,
    time,
    trace,
    dice,
    deadly: fork(),
    mishapEvery: plan.mishapEvery,
    offset: () => (plan.jumps ? dice.between(-2, 2) * 1000 : 0),
    count,
    crashed: checks.always,
    start(slot, life) {
      if (plan.mode === 'solo') durable.freeLeases()
      return bootProcess({
        port: {
          name: 'store',
          code: 'store',
          life,
          time,
          random: fork(),
          trace,
          weather: storeWeather,
          remote: plan.mode !== 'solo',
          mishap: slots.mishapOf(slot, life),
          failed: checks.refused,
          after: (call, args) => {
            checks.stored(life, call, args)
            if (call === 'set') settleEmbedded(args)
          },
        },
        durable,
        vendors,
        receivers,
        broker,
        mode: plan.mode,
        random: fork(),
        queueLimit: plan.queueLimit,
        retentionMs: plan.retentionMs,
        log,
        metrics,
      })
    },
  })

  function settleEmbedded(args: readonly unknown[]): void {
    const position = Number(args[2])
    const ahead = decodeAhead(typeof args[4] === 'string' ? args[4] : null)
    if (ahead) checks.skipping(position, ahead)
    if (position <= settled) return
    const rows = durable.query<{
      id: string
      type: 'order.paid'
      connection: string
      order_key: string
      sequence: number
    }>('select id, type, connection, order_key, sequence from history where n > ? and n <= ?', settled, position)
    checks.settling(rows.map(row => ({ ...row, orderKey: row.order_key })))
    settled = position
  }

  /** Everybody dies, and what had not reached the disk is gone. */
  function powerFails(): void {
    if (!plan.power) return
    trace.note('the power fails')
    for (let slot = 0; slot < slots.size; slot++) slots.crash(slot)
    const told = () => durable.query<{ n: number }>('select count(*) as n from history')[0]?.n
    const before = told()
    durable.powerFails()
    if (told() !== before)
      checks.violated(`of ${before} events that were told ${told()} are left after a power failure`)
    const [row] = durable.query<{ position: number }>('select position from offsets')
    settled = row?.position ?? 0
    checks.always()
  }

  const { strike, begin } = createStrikes({
    ...{ plan, dice, time, slots, vendors, receivers, broker, storeWeather, logWeather, count },
    disk: durable.disk,
    storming: () => storming,
    powerFails,
  })

  function weatherClears(): void {
    storming = false
    Object.assign(storeWeather, calm())
    Object.assign(logWeather, calm())
    durable.disk.full = 0
    for (const vendor of vendors) {
      Object.assign(vendor.manners, calmManners(), { down: vendor.manners.down })
      vendor.clear()
    }
    for (const receiver of receivers) Object.assign(receiver.mood, goodMood())
    trace.note('calm')
    slots.calm()
  }

  const everySoOften = (ms: number, run: () => void) => {
    const again = () =>
      time.after(dice.between(1, 2 * ms), () => {
        if (!storming) return
        run()
        again()
      })
    again()
  }

  /** What the vendors have seen before we come to know them. */
  async function past(): Promise<void> {
    for (const vendor of vendors) {
      vendor.manners.tooLarge = plan.tooLarge
      for (let i = 0; i < 4 * plan.past && vendor.orders.size < plan.past; i++) {
        vendor.live()
        await time.run(dice.between(0, 2_500))
      }
    }
    await time.run(dice.chance(0.5) ? dice.between(0, 60_000) : dice.between(0, 1_200_000))
  }

  const unhandled = (error: unknown) => checks.violated(`an error nobody handled: ${messageOf(error)}`)
  process.on('unhandledRejection', unhandled)
  // The program spreads its pauses by it.
  const chance = Math.random
  Math.random = fork().next
  try {
    await past()
    for (const { manners } of vendors) {
      manners.down = plan.firstDownMs > 0
      time.after(plan.firstDownMs, () => {
        manners.down = false
      })
    }
    for (let slot = 0; slot < plan.processes; slot++) slots.boot(slot)
    begin()
    for (const vendor of vendors) everySoOften(plan.changeEveryMs, vendor.live)
    everySoOften(plan.strikeEveryMs, strike)
    await time.run(plan.stormMs)
    weatherClears()
    await heal({ plan, time, trace, durable, checks, slots, broker, vendors, settled: () => settled })
    count('events', durable.query('select 1 from history').length)
    count('steps', time.steps)
    return {
      seed,
      plan,
      violations: checks.violations,
      digest: trace.digest(),
      tail: trace.tail(),
      counts,
      virtualMs: time.now,
    }
  } finally {
    process.off('unhandledRejection', unhandled)
    Math.random = chance
    slots.end()
    durable.close()
  }
}

function logInto(write: (line: string) => void): Log {
  const options = { level: 'debug', base: null, timestamp: false } as const
  return pino(options, { write: (line: string) => write(line.trim()) })
}
