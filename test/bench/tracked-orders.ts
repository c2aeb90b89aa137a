import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { configure, type Program, startProgram } from '../helpers/program.ts'
import { temporaryFolder } from '../helpers/temp.ts'
import { until } from '../helpers/until.ts'

/**
 * How memory, requests and CPU behave as the number of tracked orders grows: `node test/bench/tracked-orders.ts [orders]`. Reads them all in
 * once (backfill), then polls without a change every 5 s (the default). Memory is the program's resident set; CPU is of one core while idle.
 */

const sizes = process.argv[2] ? [Number(process.argv[2])] : [1_000, 100_000]

for (const orders of sizes) {
  const folder = await temporaryFolder()
  const shop = spawn(process.execPath, [join(import.meta.dirname, 'shop-process.ts'), String(orders)], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  const [line] = await once(shop.stdout, 'data')
  const url = String(line).trim()
  await configure(folder.path, {
    connections: [
      {
        id: 'kk',
        vendor: 'kakaclo',
        baseUrl: `${url}/kakaclo/openapi`,
        token: 'sandbox-kakaclo-token',
        backfill: '30d',
        rateLimit: { perSecond: 1000, burst: 1000 },
      },
    ],
  })
  const program = await startProgram(folder.path).catch(error => {
    shop.kill('SIGTERM')
    throw error
  })
  try {
    const began = performance.now()
    await until('all orders are read', async () => (await tracked(program)) >= orders, 600_000)
    await until(
      'everything is delivered and quiet',
      async () => (await metric(program, 'orderwire_backlog')) === 0,
      600_000,
    )
    const readIn = (performance.now() - began) / 1000
    const memoryBusy = rss(program)
    await pause(15_000)
    const before = await requests(url)
    const cpu = cpuSeconds(program)
    await pause(20_000)
    const polls = (await requests(url)) - before
    const idle = (cpuSeconds(program) - cpu) / 20
    console.log(
      `${orders} orders: read in ${readIn.toFixed(1)} s (${Math.round(orders / readIn)}/s), resident ${memoryBusy} MB after reading, ` +
        `${rss(program)} MB idle; ${polls} requests in 20 s; idle ${(idle * 100).toFixed(2)} % of one core`,
    )
  } finally {
    await program.end('SIGTERM')
    shop.kill('SIGTERM')
    await folder.remove()
  }
}

function pause(ms: number): Promise<void> {
  return new Promise(resolve => setTimeout(resolve, ms))
}

async function tracked(program: Program): Promise<number> {
  const { body } = await program.get('/v1/connections/kk')
  return (body as { ordersTracked: number }).ordersTracked
}

async function metric(program: Program, name: string): Promise<number> {
  const text = await (await fetch(`${program.url}/metrics`)).text()
  return [...text.matchAll(new RegExp(`^${name}(?:\\{.*\\})? (\\S+)$`, 'gm'))].reduce(
    (sum, [, value]) => sum + Number(value),
    0,
  )
}

async function requests(url: string): Promise<number> {
  const counts = (await (await fetch(`${url}/admin/kakaclo/requests`)).json()) as { counts: Record<string, number> }
  return Object.values(counts.counts).reduce((sum, count) => sum + count, 0)
}

function rss({ child }: Program): number {
  const kilobytes = /VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${child.pid}/status`, 'utf8'))?.[1]
  return Math.round(Number(kilobytes) / 1024)
}

/** User and system time so far; the kernel counts in hundredths of a second. */
function cpuSeconds({ child }: Program): number {
  const fields = readFileSync(`/proc/${child.pid}/stat`, 'utf8').split(') ')[1]?.split(' ') ?? []
  return (Number(fields[11]) + Number(fields[12])) / 100
}
