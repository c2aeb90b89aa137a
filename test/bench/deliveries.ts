import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { writeFileSync } from 'node:fs'
import { Session } from 'node:inspector/promises'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import type { EventRecord } from '../../src/order/event-record.ts'
import { eventRecord } from '../helpers/event-records.ts'
import { startKafka } from '../helpers/kafka.ts'
import { startPostgres } from '../helpers/postgres.ts'
import { cpuOfChildren } from './cpu.ts'
import { percentile } from './receivers.ts'
import { openStage, type Servers, type Stage } from './stage.ts'

/**
 * Dispatch alone: how many events a second go from the event log to webhook endpoints on loopback, and at what CPU (servers included, the
 * receiver not); and how long a single event takes, from its publication to its acknowledgement, at a steady rate and beside bursts.
 * Beside each run the sender alone posts the same events to the same endpoints: `times` is the CPU as a multiple of that. `--profile` writes the
 * CPU profile of the last measured part.
 * `node test/bench/deliveries.ts [--log embedded|kafka] [--endpoints 1,10] [--events 20000] [--runs 3] [--latency] [--seconds 20] [--json FILE]
 * [--profile FILE]`
 */
const { values } = parseArgs({
  options: {
    log: { type: 'string' },
    endpoints: { type: 'string' },
    events: { type: 'string' },
    runs: { type: 'string' },
    latency: { type: 'boolean' },
    seconds: { type: 'string' },
    json: { type: 'string' },
    profile: { type: 'string' },
  },
})
const KAFKA = values.log === 'kafka'
const EVENTS = Number(values.events ?? 20_000)
const RUNS = Number(values.runs ?? 3)
const SECONDS = Number(values.seconds ?? 20)
const [RATE, BURST, BURST_EVERY] = [50, 50, 50]
const padding = 'x'.repeat(500)

const receiver = spawn(process.execPath, [join(import.meta.dirname, 'raw-receiver.ts')], {
  stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
})
const [port] = await once(receiver, 'message')
const kafka = KAFKA ? await startKafka() : null
const postgres = KAFKA ? await startPostgres() : null
if (KAFKA && !(kafka && postgres)) process.exit(1)
const servers = async (): Promise<Servers | null> =>
  kafka && postgres ? { brokers: kafka.brokers, database: await postgres.newDatabase() } : null

const endpointsOf = (count: number, concurrency: number) =>
  Array.from({ length: count }, (_, index) => ({
    id: `e${index}`,
    url: `http://127.0.0.1:${port}/e${index}`,
    delivery: { concurrency },
  }))

const eventOf = (orderId: string, sequence: number) => {
  const event = eventRecord({ orderId, sequence, observedAt: Date.now() })
  return { ...event, body: event.body.replace('"order":', `"note":"${padding}","order":`) }
}

interface Cpu {
  readonly own: number
  readonly kafka: number
  readonly postgres: number
}

/** Milliseconds of CPU, of this process and of the servers. */
function cpu(): Cpu {
  const { user, system } = process.cpuUsage()
  const servers = cpuOfChildren([receiver.pid ?? 0])
  return { own: (user + system) / 1000, kafka: servers.get('java') ?? 0, postgres: servers.get('postgres') ?? 0 }
}

/** The cost of each of `count` items, in the unit of which a millisecond has `per`. */
function costs(before: Cpu, after: Cpu, count: number, per: number) {
  const of = (name: keyof Cpu) => ((after[name] - before[name]) * per) / count
  const [own, kafka, postgres] = [of('own'), of('kafka'), of('postgres')]
  return { cpu: own + kafka + postgres, own, kafka, postgres }
}

const session = values.profile ? new Session() : null
session?.connect()
await session?.post('Profiler.enable')

async function profiled<T>(work: () => Promise<T>): Promise<T> {
  if (!session) return work()
  await session.post('Profiler.start')
  const result = await work()
  const { profile } = await session.post('Profiler.stop')
  writeFileSync(values.profile ?? '', JSON.stringify(profile))
  return result
}

interface Result {
  readonly row: string
  readonly [figure: string]: number | string
}
const results: Result[] = []

/** All events are in the log when the dispatcher starts. Counted from the first acknowledgement to the last. */
async function throughput(count: number): Promise<Result> {
  let begun: { at: number; cpu: Cpu } | undefined
  let left = EVENTS
  const { promise: done, resolve } = Promise.withResolvers<void>()
  const stage = await openStage(
    endpointsOf(count, 16),
    () => {
      begun ??= { at: performance.now(), cpu: cpu() }
      if (--left === 0) resolve()
    },
    await servers(),
  )
  const orders = Math.ceil(EVENTS / count / 4)
  const events = Array.from({ length: EVENTS / count }, (_, index) =>
    eventOf(`o${index % orders}`, Math.floor(index / orders) + 1),
  )
  for (let from = 0; from < events.length; from += 500) await stage.publish(events.slice(from, from + 500))
  const bare = await alone(stage, events)
  const after = await profiled(async () => {
    await stage.dispatcher.start()
    await done
    return cpu()
  })
  const seconds = (performance.now() - (begun?.at ?? 0)) / 1000
  await stage.close()
  const cost = costs(begun?.cpu ?? after, after, EVENTS, 1000)
  return {
    row: `1 → ${count}`,
    perSecond: Math.round(EVENTS / seconds),
    ...cost,
    ...{ bare: bare.cpu, barePerSecond: bare.perSecond, times: cost.cpu / bare.cpu },
  }
}

/** The sender alone: each endpoint gets every event, with as many requests in flight as the dispatcher has. */
async function alone({ send, endpoints }: Stage, events: readonly EventRecord[]) {
  const [from, begin] = [cpu(), performance.now()]
  await Promise.all(
    endpoints.flatMap(({ id, concurrency }) => {
      let next = 0
      const lane = async () => {
        for (let event = events[next++]; event; event = events[next++]) await send(id, event)
      }
      return Array.from({ length: concurrency }, lane)
    }),
  )
  const seconds = (performance.now() - begin) / 1000
  return { perSecond: Math.round(EVENTS / seconds), ...costs(from, cpu(), EVENTS, 1000) }
}

/** One event every 20 ms; with `bursts` also 50 events at a time, once a second, which are not counted. */
async function latency(bursts: boolean): Promise<Result> {
  const sentAt = new Map<string, number>()
  const latencies: number[] = []
  const stage = await openStage(
    endpointsOf(1, 16),
    (_, event) => {
      const at = sentAt.get(event.id)
      if (at !== undefined) latencies.push(performance.now() - at)
    },
    await servers(),
  )
  await stage.dispatcher.start()
  const send = (events: ReturnType<typeof eventOf>[]) => stage.publish(events)
  for (let warm = 0; warm < 50; warm++) await send([eventOf(`warm${warm}`, 1)])
  await new Promise(resolve => setTimeout(resolve, 3_000))
  const before = cpu()
  const begin = performance.now()
  const count = SECONDS * RATE
  const under = []
  for (let index = 0; index < count; index++) {
    const wait = begin + (index * 1000) / RATE - performance.now()
    if (wait > 0) await new Promise(resolve => setTimeout(resolve, wait))
    if (bursts && index % BURST_EVERY === 0)
      under.push(send(Array.from({ length: BURST }, (_, at) => eventOf(`b${index}-${at}`, 1))))
    const event = eventOf(`o${index}`, 1)
    sentAt.set(event.id, performance.now())
    under.push(send([event]))
  }
  await Promise.all(under)
  const deadline = performance.now() + 30_000
  while (latencies.length < count && performance.now() < deadline) await new Promise(resolve => setTimeout(resolve, 5))
  const after = cpu()
  await stage.close()
  const all = bursts ? count + (count / BURST_EVERY) * BURST : count
  return {
    row: bursts ? '50/s beside bursts of 50' : '50/s',
    p50: percentile(latencies, 0.5),
    p99: percentile(latencies, 0.99),
    ...costs(before, after, all, 1),
  }
}

const shown = ({ row, ...figures }: Result) =>
  `${row.padEnd(26)} ${Object.entries(figures)
    .map(([name, value]) => `${name} ${typeof value === 'number' ? value.toFixed(value < 100 ? 1 : 0) : value}`)
    .join('  ')}`

async function rows(run: () => Promise<Result>): Promise<void> {
  for (let round = 0; round < RUNS; round++) {
    const result = await run()
    results.push(result)
    console.log(shown(result))
  }
}

if (values.latency) {
  await rows(() => latency(false))
  await rows(() => latency(true))
} else for (const count of (values.endpoints ?? '1,10').split(',')) await rows(() => throughput(Number(count)))
if (values.json) writeFileSync(values.json, JSON.stringify(results, null, 2))
receiver.disconnect()
await kafka?.stop()
await postgres?.stop()
