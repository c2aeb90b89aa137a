import { EdgeVM } from '@edge-runtime/vm'
import { Webhook } from 'standardwebhooks'
import { build } from 'vite'
import { expect, test } from 'vitest'

/** The receiver in a runtime that has Web Crypto and fetch, and none of Node's built-ins. */

const secret = `whsec_${Buffer.alloc(32, 7).toString('base64')}`

/** The receiver as one script that assigns its exports to `receiver`. */
async function bundle(): Promise<string> {
  const result = await build({
    configFile: false,
    logLevel: 'silent',
    build: {
      write: false,
      minify: false,
      lib: { entry: 'src/receiver/receiver.ts', formats: ['iife'], name: 'receiver', fileName: 'receiver' },
    },
  })
  const [output] = Array.isArray(result) ? result : [result]
  if (!output || !('output' in output)) throw new Error('the build gave no output')
  const [chunk] = output.output
  return chunk.code
}

test('the receiver verifies a delivery and drops its repeat in an edge runtime, without a Node built-in', async () => {
  const code = await bundle()
  expect(code).not.toMatch(/node:|require\(/)
  const vm = new EdgeVM()
  const body = JSON.stringify({ id: 'evt_1', type: 'order.paid', partitionkey: 'shop/1', sequence: '0000000001' })
  const sentAt = new Date()
  const headers = {
    'webhook-id': 'evt_1',
    'webhook-timestamp': `${Math.floor(sentAt.getTime() / 1000)}`,
    'webhook-signature': new Webhook(secret).sign('evt_1', sentAt, body),
  }
  const outcome = await vm.evaluate<Promise<unknown>>(`${code};
    (async () => {
      const { verifyWebhook, createInbox, createMemoryStore } = receiver
      const inbox = createInbox({ store: createMemoryStore() })
      const request = () => new Request('http://localhost/hooks', ${JSON.stringify({ method: 'POST', headers, body })})
      const verdicts = []
      for (let n = 0; n < 2; n++) {
        const event = await verifyWebhook(request(), ${JSON.stringify(secret)})
        verdicts.push((await inbox.receive(event)).verdict)
      }
      const refused = await verifyWebhook(request(), ${JSON.stringify(`whsec_${Buffer.alloc(32, 9).toString('base64')}`)}).catch(error => error.code)
      return JSON.stringify({ verdicts, refused, process: typeof process })
    })()`)
  expect(JSON.parse(String(outcome))).toEqual({
    verdicts: ['new', 'repeat'],
    refused: 'bad_signature',
    process: 'undefined',
  })
})
