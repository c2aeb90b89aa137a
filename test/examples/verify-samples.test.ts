import { type ChildProcess, execFile, fork, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { createServer, type IncomingHttpHeaders } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { buffer } from 'node:stream/consumers'
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import { z } from 'zod'
import { createGuard } from '../../src/destinations/webhooks/egress.ts'
import { createSender, type Sender } from '../../src/destinations/webhooks/send.ts'
import { createEndpoints } from '../../src/destinations/webhooks/webhooks.ts'
import { systemClock } from '../../src/lib/clock.ts'
import { createSecretBox, newSecret } from '../../src/lib/secret-box.ts'
import type { EventRecord } from '../../src/order/event-record.ts'
import { endpointRow } from '../helpers/endpoint-row.ts'
import { eventsOf } from '../helpers/event-records.ts'
import { quietLog } from '../helpers/quiet.ts'
import { until } from '../helpers/until.ts'

/** The samples of the documents are run as they are printed. */

const ROOT = join(import.meta.dirname, '../..')
const SLOW = 600_000
const clock = systemClock()
const box = createSecretBox(new Uint8Array(32).fill(7))
const secret = newSecret()
const [event] = eventsOf('1001', 1) as [EventRecord]

let sender: Sender
let folder: string
beforeAll(() => {
  sender = createSender({ guard: createGuard({ allow: ['127.0.0.0/8'] }), clock })
  folder = mkdtempSync(join(tmpdir(), 'orderwire-samples-'))
})
afterAll(async () => {
  await sender.close()
  rmSync(folder, { recursive: true })
})

/** The first code block of a language that contains a text. */
function sample(document: string, language: string, containing = ''): string {
  const blocks = readFileSync(join(ROOT, document), 'utf8').matchAll(/^```(\w+)\n([\s\S]*?)^```$/gm)
  const found = blocks.find(([, name, code]) => name === language && code?.includes(containing))?.[2]
  if (found === undefined) throw new Error(`${document} has no ${language} sample with ${JSON.stringify(containing)}`)
  return found
}

/** Delivers the event as orderwire does. */
async function deliver(port: number, signedWith = secret) {
  const row = endpointRow({ url: `http://127.0.0.1:${port}/hooks`, secret: box.seal(signedWith) })
  const endpoints = createEndpoints({
    deliveries: { failingSince: async () => null },
    endpoints: {
      list: async () => [row],
      get: async () => row,
      insert: async () => false,
      update: async () => false,
      rest: async () => {},
      remove: async () => false,
    },
    delivery: {},
    box,
    sender,
    clock,
    log: quietLog,
    version: '1.2.3',
  })
  const [destination] = await endpoints.load()
  return destination?.deliver(event, { attempt: 1, replay: false, signal: new AbortController().signal })
}

interface Case {
  readonly headers: IncomingHttpHeaders
  /** Base64. */
  readonly body: string
  readonly secrets: readonly string[]
  /** Seconds since the epoch. */
  readonly now: number
}

/** A real delivery, and what must not pass for it. */
async function cases(): Promise<{ readonly given: readonly Case[]; readonly expected: readonly boolean[] }> {
  const received: { headers: IncomingHttpHeaders; body: Buffer }[] = []
  const server = createServer(async (request, response) => {
    received.push({ headers: request.headers, body: await buffer(request) })
    response.writeHead(204).end()
  }).listen(0, '127.0.0.1')
  await once(server, 'listening')
  expect(await deliver((server.address() as AddressInfo).port)).toMatchObject({ result: 'delivered' })
  server.close()
  const [{ headers, body }] = received as [(typeof received)[number]]
  const now = Number(headers['webhook-timestamp'])
  const right: Case = { headers, body: body.toString('base64'), secrets: [secret], now }
  const changed = Buffer.concat([body, Buffer.from(' ')]).toString('base64')
  const judged: [Case, boolean][] = [
    [right, true],
    [{ ...right, secrets: [newSecret(), secret] }, true],
    [{ ...right, now: now + 299 }, true],
    [{ ...right, now: now + 301 }, false],
    [{ ...right, now: now - 301 }, false],
    [{ ...right, body: changed }, false],
    [{ ...right, secrets: [newSecret()] }, false],
    [{ ...right, secrets: [] }, false],
    [{ ...right, secrets: ['whsec_'] }, false],
    [{ ...right, headers: { ...headers, 'webhook-id': 'evt_2' } }, false],
    [{ ...right, headers: { ...headers, 'webhook-timestamp': 'soon' } }, false],
    [{ ...right, headers: { ...headers, 'webhook-signature': 'v1,' } }, false],
    [{ ...right, headers: {} }, false],
  ]
  return { given: judged.map(([one]) => one), expected: judged.map(([, verdict]) => verdict) }
}

/** Runs a program with the cases on its standard input; it prints its verdicts as JSON. */
async function verdicts(command: string, args: readonly string[], given: readonly Case[], env: object = {}) {
  const output = new Promise<string>((resolve, reject) => {
    const child = execFile(command, args, { cwd: folder, env: { ...process.env, ...env } }, (error, stdout) =>
      error ? reject(error) : resolve(stdout),
    )
    child.stdin?.end(JSON.stringify(given))
  })
  return z.array(z.boolean()).parse(JSON.parse(await output))
}

const isThere = (command: string, ...args: string[]) => spawnSync(command, args).status === 0

describe('the function that verifies by hand, on a real delivery', () => {
  test('in JavaScript', { timeout: SLOW }, async () => {
    const { given, expected } = await cases()
    const main = `
import { text } from 'node:stream/consumers'
const cases = JSON.parse(await text(process.stdin))
console.log(JSON.stringify(cases.map(({ headers, body, secrets, now }) => verify(headers, Buffer.from(body, 'base64'), secrets, now))))`
    writeFileSync(join(folder, 'verify.mjs'), sample('docs/receiving.md', 'js', 'function verify') + main)
    expect(await verdicts(process.execPath, ['verify.mjs'], given)).toEqual(expected)
  })

  test.skipIf(!isThere('python3', '--version'))('in Python', { timeout: SLOW }, async () => {
    const { given, expected } = await cases()
    const main = `
import json, sys
cases = json.load(sys.stdin)
print(json.dumps([verify(c["headers"], base64.b64decode(c["body"]), c["secrets"], c["now"]) for c in cases]))
`
    writeFileSync(join(folder, 'verify.py'), sample('docs/receiving.md', 'python', 'def verify') + main)
    expect(await verdicts('python3', ['verify.py'], given)).toEqual(expected)
  })

  test.skipIf(!isThere('go', 'version'))('in Go', { timeout: SLOW }, async () => {
    const { given, expected } = await cases()
    writeFileSync(join(folder, 'verify.go'), sample('docs/receiving.md', 'go', 'func verify'))
    writeFileSync(
      join(folder, 'main.go'),
      `package main

import (
	"encoding/json"
	"net/http"
	"os"
	"time"
)

func main() {
	var cases []struct {
		Headers map[string]string
		Body    []byte
		Secrets []string
		Now     int64
	}
	if err := json.NewDecoder(os.Stdin).Decode(&cases); err != nil {
		panic(err)
	}
	verdicts := []bool{}
	for _, one := range cases {
		header := http.Header{}
		for name, value := range one.Headers {
			header.Set(name, value)
		}
		verdicts = append(verdicts, verify(header, one.Body, one.Secrets, time.Unix(one.Now, 0)))
	}
	json.NewEncoder(os.Stdout).Encode(verdicts)
}
`,
    )
    expect(await verdicts('go', ['run', 'verify.go', 'main.go'], given, { GO111MODULE: 'off' })).toEqual(expected)
  })
})

/** A case as Java reads it: base64 words, one line a case. */
const lineOf = ({ headers, body, secrets, now }: Case): string => {
  const names = ['webhook-id', 'webhook-timestamp', 'webhook-signature'] as const
  const texts = [...names.map(name => headers[name]), secrets.join(' ')]
  const words = texts.map(text => (text === undefined ? '-' : `=${Buffer.from(String(text)).toString('base64')}`))
  return [...words, `=${body}`, now].join(' ')
}

test.skipIf(!isThere('javac', '--version'))(
  'the function that verifies by hand in Java judges a real delivery as it should',
  { timeout: SLOW },
  async () => {
    const { given, expected } = await cases()
    const file = join(folder, 'Verify.java')
    writeFileSync(
      file,
      `import static java.nio.charset.StandardCharsets.UTF_8;
import java.security.*;
import java.time.Instant;
import java.util.*;
import javax.crypto.Mac;
import javax.crypto.spec.SecretKeySpec;

public class Verify {
  static byte[] word(String text) { return text.equals("-") ? null : Base64.getDecoder().decode(text.substring(1)); }
  static String text(String word) { var bytes = word(word); return bytes == null ? null : new String(bytes, UTF_8); }
  public static void main(String[] lines) throws Exception {
    var verdicts = new ArrayList<Boolean>();
    for (var line : lines) {
      var words = line.split(" ");
      var secrets = text(words[3]).isEmpty() ? List.<String>of() : List.of(text(words[3]).split(" "));
      verdicts.add(verify(text(words[0]), text(words[1]), text(words[2]), word(words[4]), secrets, Instant.ofEpochSecond(Long.parseLong(words[5]))));
    }
    System.out.println(verdicts);
  }
${sample('docs/receiving.md', 'java', 'boolean verify')}}
`,
    )
    expect(await verdicts('java', ['-XX:TieredStopAtLevel=1', file, ...given.map(lineOf)], [])).toEqual(expected)
  },
)

describe('the receiver made with the package', () => {
  let child: ChildProcess | undefined
  afterEach(() => child?.kill())

  test.each(['README.md', 'docs/receiving.md'])(
    'as %s prints it takes an event once, and refuses what another secret signed',
    { timeout: SLOW },
    async document => {
      const file = join(folder, `${document.replaceAll(/\W/g, '-')}.ts`)
      const code = sample(document, 'ts', 'createServer(')
        .replace("'orderwire/receiver'", JSON.stringify(join(ROOT, 'src/receiver/receiver.ts')))
        .replace(/\.listen\(.*\)\n/, ".listen(0, '127.0.0.1', function () { process.send(this.address().port) })\n")
      writeFileSync(file, code)
      const receiver = fork(file, { env: { ...process.env, WEBHOOK_SECRET: secret }, silent: true })
      child = receiver
      let printed = ''
      receiver.stdout?.on('data', chunk => (printed += chunk))
      const [port] = await once(receiver, 'message')
      expect(await deliver(z.number().parse(port), newSecret())).toMatchObject({ result: 'retry', statusCode: 401 })
      for (const _ of [1, 2])
        expect(await deliver(z.number().parse(port))).toMatchObject({ result: 'delivered', statusCode: 204 })
      await until('the event is printed', () => printed.includes('\n'))
      expect(printed).toBe(`${event.type} ${event.id}\n`)
    },
  )
})
