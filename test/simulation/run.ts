import { pino } from 'pino'
import { messageOf } from '../../src/errors.ts'
import { createMetrics, type Log } from '../../src/observe.ts'
import { createRandom, type Random } from '../../src/sandbox/random.ts'
import { createBroker } from './broker.ts'
import { createChecks } from './checks.ts'
import { createDurable } from './durable.ts'
import { createLife, EPOCH, type Life } from './life.ts'
import { calm } from './port.ts'
import { bootProcess, type Process } from './process.ts'
import { createReceiver, goodMood, type Receiver, type Watch } from './receiver.ts'
import { calmManners, makePlan, type Plan, spoilMood, worsen, worsenManners } from './storm.ts'
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

/** How long everything may take to heal once the storm is over: the longest back-off and probe are minutes. Wall clocks that jumped an hour may cost hours. */
const [HEAL_MS, HEAL_AFTER_JUMPS_MS] = [3_600_000, 3 * 3_600_000]

const metrics = createMetrics()

/** One run of the whole program in a simulated world: a storm of `plan.stormMs`, then calm until everything has healed. */
export async function simulate(
  seed: number,
  options: { fullTrace?: boolean; logs?: boolean } = {},
): Promise<RunResult> {
  const random = createRandom(Math.imul(seed + 1, 0x9e3779b1))
  const fork = (): Random => createRandom(Math.floor(random.next() * 2 ** 32))
  const plan = makePlan(fork())
  const time = createTime()
  const trace = createTrace(() => time.now, { all: options.fullTrace ?? false })
  trace.note(`seed ${seed}: ${JSON.stringify(plan)}`)
  const counts: Record<string, number> = {}
  const count = (what: string, by = 1) => {
    counts[what] = (counts[what] ?? 0) + by
  }
  const durable = await createDurable(plan.mode === 'solo' ? null : () => Math.floor(EPOCH + time.now))
  const storeWeather = calm()
  const logWeather = calm()
  const vendors = plan.vendors.map((kind, index) =>
    createVendor({ ...plan, id: `v${index + 1}`, kind, time, trace, random: fork(), manners: calmManners() }),
  )
  let receivers: readonly Receiver[] = []
  const checks = createChecks({
    durable,
    time,
    trace,
    vendors,
    receivers: () => receivers,
    steady: !plan.jumps,
    retriesAlone: !plan.jumps && plan.mode === 'solo',
  })
  receivers = makeReceivers(fork(), checks)
  const broker =
    plan.mode === 'cluster'
      ? createBroker({
          partitions: plan.partitions,
          time,
          trace,
          random: fork(),
          weather: logWeather,
          committing: (_, entries, from, to) => checks.settling(entries.slice(from, to + 1)),
        })
      : null
  const dice = fork()
  const deadly = fork()
  const processes: (Process | null)[] = Array.from({ length: plan.processes }, () => null)
  const log = options.logs ? logInto(line => trace.note(`log ${line}`)) : pino({ level: 'silent' })
  let storming = true
  let boots = 0
  let settled = 0

  function makeReceivers(from: Random, watch: Watch): readonly Receiver[] {
    const shared = { time, trace, watch, connections: null, types: null, delivery: {} }
    const concurrency = from.pick([1, 2, 16] as const)
    const list = [
      createReceiver({ ...shared, id: 'all', kind: 'handler', random: fork(), delivery: { concurrency } }),
      createReceiver({
        ...shared,
        id: 'some',
        kind: 'endpoint',
        random: fork(),
        types: ['order.paid', 'order.shipped', 'order.refunded'],
        delivery: { onExhausted: from.pick(['continue', 'hold'] as const), concurrency: from.between(1, 4) },
      }),
      createReceiver({
        ...shared,
        id: 'slow',
        kind: 'endpoint',
        random: fork(),
        connections: ['v1'],
        delivery: { rateLimit: from.chance(0.5) ? { perSecond: 5, burst: 2 } : null },
      }),
    ]
    return list.slice(0, from.between(1, 3))
  }

  // ── processes ──

  function boot(slot: number): void {
    if (plan.mode === 'solo') durable.freeLeases()
    const life = createLife(`p${slot}.${++boots}`, time, plan.jumps ? dice.between(-2, 2) * 1000 : 0)
    trace.note(`boot ${life.name}`)
    count('boots')
    const mishap = (call: string): 'none' | 'death' | 'freeze' => {
      if (!storming || plan.mishapEvery === 0 || processes[slot]?.life !== life) return 'none'
      // Commits are few among the calls, and where it matters most.
      const odds = call.startsWith('store.orders.commit') ? 15 : 1
      if (deadly.next() > odds / plan.mishapEvery) return 'none'
      const what = deadly.pick(['death', 'freeze'] as const)
      trace.note(`${life.name}: ${what} at ${call}`)
      count(`${what} at a call`)
      if (what === 'death') crash(slot)
      else freeze(life)
      return what
    }
    processes[slot] = bootProcess({
      port: {
        name: 'store',
        code: 'store',
        life,
        time,
        random: fork(),
        trace,
        weather: storeWeather,
        remote: plan.mode !== 'solo',
        mishap,
        after: (call, args) => {
          checks.stored(call, args)
          if (call === 'set') settleEmbedded(args)
        },
      },
      durable,
      vendors,
      receivers,
      broker,
      pair: plan.mode === 'pair',
      random: fork(),
      queueLimit: plan.queueLimit,
      log,
      metrics,
    })
  }

  function settleEmbedded(args: readonly unknown[]): void {
    const position = Number(args[2])
    if (position <= settled) return
    const rows = durable.query<{
      id: string
      type: 'order.paid'
      connection: string
      order_key: string
      sequence: number
    }>('select id, type, connection, order_key, sequence from events where n > ? and n <= ?', settled, position)
    checks.settling(rows.map(row => ({ ...row, orderKey: row.order_key })))
    settled = position
  }

  function crash(slot: number): void {
    const running = processes[slot]
    if (!running) return
    trace.note(`crash ${running.life.name}`)
    count('crashes')
    running.life.die()
    processes[slot] = null
    checks.always()
    time.after(dice.pick([10, 1_000, 20_000, 60_000] as const), () => processes[slot] === null && boot(slot))
  }

  async function restart(slot: number): Promise<void> {
    const running = processes[slot]
    if (running?.life.state !== 'running') return
    trace.note(`stop ${running.life.name}`)
    count('stops')
    running.stop()
    const over = time.after(20_000, () => processes[slot] === running && crash(slot))
    await running.ended
    over()
    if (processes[slot] !== running) return
    running.life.die()
    boot(slot)
  }

  // ── the storm ──

  const somebody = (): Process | null => processes.find(one => one !== null && one.life.state === 'running') ?? null

  function strike(): void {
    const slot = dice.between(0, plan.processes - 1)
    const running = processes[slot]
    const receiver = dice.pick(receivers as readonly [Receiver, ...Receiver[]])
    const what = dice.between(0, 15)
    if (what <= 2) crash(slot)
    else if (what === 3) void restart(slot)
    else if (what <= 5 && running) freeze(running.life)
    else if (what === 6 && plan.jumps && running) {
      running.life.jump(dice.pick([-3_600_000, 3_600_000] as const))
      count('clock jumps')
    } else if (what === 7) void broker?.rebalance()
    else if (what === 8) {
      worsen(storeWeather, dice, plan.wildness)
      worsen(logWeather, dice, plan.wildness)
    } else if (what === 9) for (const { manners } of vendors) worsenManners(manners, dice, plan.wildness)
    else if (what === 10) {
      count('outages')
      const [of, share] = [dice.pick([storeWeather, logWeather, ...vendors.map(one => one.manners)]), 0.95]
      const before = of.lost
      of.lost = share
      time.after(dice.between(5, 180) * 1000, () => {
        of.lost = Math.min(before, of.lost)
      })
    } else if (what === 11) for (const vendor of vendors) vendor.burst()
    else if (what === 12) {
      receiver.state = receiver.state === 'active' ? 'paused' : 'active'
      if (receiver.kind === 'handler') receiver.state = 'active'
      trace.note(`${receiver.id} is ${receiver.state}`)
      void somebody()
        ?.dispatch.refresh()
        .catch(() => {})
    } else if (what === 13) {
      count('replays')
      void somebody()
        ?.dispatch.replay(receiver.id, {})
        .catch(() => {})
    } else if (what === 14) {
      count('redrives')
      const by = somebody()
      void by?.store.deadLetters.redrive({ destination: receiver.id }, by.life.clock.now()).then(
        () => by.dispatch.wake(),
        () => {},
      )
    } else spoilMood(receiver.mood, dice, plan.wildness)
  }

  function freeze(life: Life): void {
    count('freezes')
    trace.note(`freeze ${life.name}`)
    life.freeze()
    time.after(dice.pick([2_000, 16_000, 40_000, 90_000] as const), () => {
      trace.note(`thaw ${life.name}`)
      life.thaw()
    })
  }

  function weatherClears(): void {
    storming = false
    Object.assign(storeWeather, calm())
    Object.assign(logWeather, calm())
    for (const vendor of vendors) {
      Object.assign(vendor.manners, calmManners())
      vendor.clear()
    }
    for (const receiver of receivers) {
      Object.assign(receiver.mood, goodMood())
      receiver.state = 'active'
    }
    trace.note('calm')
  }

  // ── the run ──

  const everySoOften = (ms: number, run: () => void) => {
    const again = () =>
      time.after(dice.between(1, 2 * ms), () => {
        if (!storming) return
        run()
        again()
      })
    again()
  }

  async function heal(): Promise<void> {
    const patience = plan.jumps ? HEAL_AFTER_JUMPS_MS : HEAL_MS
    const control = async (run: (by: Process) => Promise<unknown> | undefined) => {
      for (const by of processes) if (by?.life.state === 'running') await Promise.resolve(run(by)).catch(() => {})
    }
    const missing = () => checks.missing()
    const healed = (excused: (fact: string) => boolean) => {
      const { facts, deliveries } = missing()
      return facts.every(excused) && deliveries.length === 0 && idle()
    }
    void control(by => by.dispatch.refresh())
    const unread = () => new Set(checks.quarantined().map(({ connection, orderId }) => `${connection}/${orderId}`))
    const explained = (fact: string) => unread().has(fact.split(' ')[0] ?? '')
    await time.run(Math.max(0, ...vendors.map(vendor => vendor.restlessUntil - time.now)) + 20_000)
    if (!(await time.until(() => healed(explained), patience, 30_000))) {
      const { facts, deliveries } = missing()
      for (const fact of facts) if (!explained(fact)) checks.violated(`neither told nor in quarantine: ${fact}`)
      for (const delivery of deliveries) checks.violated(`not delivered in ${patience / 3_600_000} h: ${delivery}`)
      if (!idle()) checks.violated('not idle long after the storm')
    }
    if (checks.violations.length > 0) return
    trace.note('what is in quarantine is read again, and dead letters are sent again')
    const again = async () => {
      for (const { connection, orderId } of checks.quarantined())
        await control(by => void by.ingest.refetch(connection, orderId))
      await control(async by => {
        void by.store.deadLetters.redrive({}, by.life.clock.now()).then(() => by.dispatch.wake())
      })
    }
    await again()
    await time.run(5_000)
    const clean = () => healed(() => false) && checks.quarantined().length === 0
    await time.until(clean, patience, 10_000)
    await time.run(60_000)
    checks.finally()
    if (!idle()) checks.violated('the log was not read to its end')
  }

  function idle(): boolean {
    const [lane] = durable.query('select 1 from lanes where held = 0 limit 1')
    const [open] = durable.query('select 1 from events where published_at is null limit 1')
    const [last] = durable.query<{ n: number | null }>('select max(n) as n from events')
    return !lane && !open && (broker ? broker.quiet() : settled >= (last?.n ?? 0))
  }

  const unhandled = (error: unknown) => checks.violated(`an error nobody handled: ${messageOf(error)}`)
  process.on('unhandledRejection', unhandled)
  try {
    for (let i = 0; i < dice.between(0, plan.mostOrders); i++) for (const vendor of vendors) vendor.live()
    await time.run(dice.between(0, 900_000))
    for (let i = 0; i < dice.between(0, 2 * plan.mostOrders); i++) for (const vendor of vendors) vendor.live()
    await time.run(dice.between(0, 900_000))
    worsen(storeWeather, dice, plan.wildness / 4)
    for (const slot of processes.keys()) boot(slot)
    for (const vendor of vendors) everySoOften(plan.changeEveryMs, vendor.live)
    everySoOften(8_000, strike)
    await time.run(plan.stormMs)
    weatherClears()
    await time.run(100_000)
    for (const [slot, running] of processes.entries()) if (!running) boot(slot)
    await heal()
    count('events', durable.query('select 1 from events').length)
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
    for (const running of processes) running?.life.die()
    durable.close()
  }
}

function logInto(write: (line: string) => void): Log {
  const options = { level: 'debug', base: null, timestamp: false } as const
  return pino(options, { write: (line: string) => write(line.trim()) })
}
