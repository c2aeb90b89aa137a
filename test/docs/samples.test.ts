import { readFileSync } from 'node:fs'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { GiveUp, type Handler } from 'orderwire'
import { afterAll, afterEach, beforeAll, describe, expect, test, vi } from 'vitest'
import { Config } from '../../schemas/config.ts'
import { EndpointFilter } from '../../schemas/endpoint.ts'
import { OrderEvent } from '../../schemas/order-event.ts'
import { observer } from '../helpers/decided.ts'
import { sampleFolder, samplesIn, sampleWith } from '../helpers/samples.ts'
import { paid, parcel, snapshot } from '../helpers/snapshots.ts'

/** Samples of the documents that need no server. Others: test/examples, test/integration/consumers.test.ts, test/e2e/package.test.ts. */

let folder: Awaited<ReturnType<typeof sampleFolder>>
beforeAll(async () => {
  folder = await sampleFolder()
})
afterAll(() => folder.remove())
afterEach(() => vi.unstubAllGlobals())

/** What a TypeScript sample exports. */
async function exported(name: string, code: string): Promise<unknown> {
  const file = join(folder.path, name)
  await writeFile(file, code)
  return (await import(pathToFileURL(file).href)).default
}

const [event, shipped] = observer().see(snapshot({ paid: paid(), packages: [parcel('p-1')] })).events

describe('the handler that is printed', () => {
  const log = { info: vi.fn() }
  const run = async (document: string, changed = event) => {
    const code = (await samplesIn(document)).get('handlers/thank-you.ts') ?? ''
    const handler = (await exported(`${document.replaceAll(/\W/g, '-')}.ts`, code)) as Handler
    expect(handler.on).toEqual(['order.paid'])
    return handler.run(changed as never, { log, signal: new AbortController().signal, attempt: 2 } as never)
  }

  test('in README.md logs what was paid', async () => {
    await run('README.md')
    expect(log.info).toHaveBeenLastCalledWith('paid', { order: event?.data.orderNumber, amount: '20.00' })
  })

  test('in docs/handlers.md calls the mail service, asks for a retry when that fails, and gives up without a currency', async () => {
    const answers = [new Response(null, { status: 204 }), new Response(null, { status: 500 })]
    const called = vi.fn<typeof fetch>(async () => answers.shift() ?? Response.error())
    vi.stubGlobal('fetch', called)
    await run('docs/handlers.md')
    expect(JSON.parse(String(called.mock.calls[0]?.[1]?.body))).toEqual(event)
    expect(log.info).toHaveBeenLastCalledWith('thanked', { attempt: 2 })
    await expect(run('docs/handlers.md')).rejects.toThrow('mail answered 500')
    const bare = observer().see(snapshot({ paid: paid(), currency: null })).events[0]
    await expect(run('docs/handlers.md', bare)).rejects.toBeInstanceOf(GiveUp)
  })
})

describe('the sample', () => {
  test('of an event in README.md is a real one, shortened', () => {
    const text = readFileSync(join(import.meta.dirname, '../../README.md'), 'utf8')
    const sample = JSON.parse(/^```json\n([\s\S]*?)^```$/m.exec(text)?.[1] ?? '')
    const full = structuredClone(shipped) as Extract<OrderEvent, { type: 'order.shipped' }>
    const merged = {
      ...{ ...full, ...sample },
      data: { ...full.data, ...sample.data, shipment: { ...full.data.shipment, ...sample.data.shipment } },
    }
    expect(OrderEvent.parse(merged)).toEqual(merged)
  })

  test('of a configuration in docs/configuration.md is valid, and takes its secret from the environment', async () => {
    vi.stubEnv('SHOP_TOKEN', 'from-the-environment')
    const code = await sampleWith('docs/configuration.md', 'ts', 'defineConfig')
    const config = Config.parse(await exported('orderwire.config.ts', code))
    expect(config.connections[0]).toMatchObject({ vendor: 'shoplazza', accessToken: 'from-the-environment' })
    vi.unstubAllEnvs()
  })

  test('of a filter in docs/configuration.md is valid', async () => {
    const filter = JSON.parse(await sampleWith('docs/configuration.md', 'json', 'data.order.currency'))
    expect(EndpointFilter.safeParse(filter).error).toBeUndefined()
  })

  test('of alerts in docs/operating.md is valid once its dots are filled in', async () => {
    const text = await sampleWith('docs/operating.md', 'json', '"alerts"')
    const filled = text
      .replace('services/…', 'services/x')
      .replace('whsec_…', `whsec_${Buffer.alloc(32).toString('base64')}`)
    expect(Config.safeParse(JSON.parse(filled)).error).toBeUndefined()
  })
})
