import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, afterEach, beforeAll, describe, expect, test, vi } from 'vitest'
import type { EventLog } from '../../../src/event-log/event-log.ts'
import type { KafkaLogOptions } from '../../../src/event-log/kafka/kafka-log.ts'
import { eventsOf } from '../../helpers/event-records.ts'
import { record } from '../../helpers/kafka/consumer.ts'
import { javaWithKafka } from '../../helpers/kafka/jars.ts'
import { run } from '../../helpers/kafka/jvm.ts'
import { openKafkaLog } from '../../helpers/kafka/log.ts'
import { freePorts } from '../../helpers/kafka/ports.ts'
import { type KafkaListener, startOwnKafka, unique } from '../../helpers/kafka.ts'
import { selfSigned } from '../../helpers/self-signed.ts'
import { temporaryFolder } from '../../helpers/temp.ts'

const [mutual = 0, scram = 0, token = 0] = await freePorts(3)
const folder = await temporaryFolder()
afterAll(() => folder.remove())
const file = (name: string) => join(folder.path, name)
const [server, client, stranger] = [selfSigned(), selfSigned('orderwire'), selfSigned('stranger')]
const PASSWORD = 'scram-secret'

const oneLine = (pem: string) => pem.trim().replaceAll('\n', ' ')
const certificate = {
  'ssl.keystore.type': 'PEM',
  'ssl.keystore.certificate.chain': oneLine(server.cert),
  'ssl.keystore.key': oneLine(server.key),
}
const jaas = 'org.apache.kafka.common.security'
const listeners: readonly KafkaListener[] = [
  {
    ...{ name: 'MUTUAL', port: mutual, protocol: 'SSL' },
    settings: {
      ...certificate,
      'ssl.client.auth': 'required',
      'ssl.truststore.type': 'PEM',
      'ssl.truststore.certificates': oneLine(client.cert),
    },
  },
  {
    ...{ name: 'SCRAM', port: scram, protocol: 'SASL_SSL' },
    settings: {
      ...certificate,
      'sasl.enabled.mechanisms': 'SCRAM-SHA-512',
      'scram-sha-512.sasl.jaas.config': `${jaas}.scram.ScramLoginModule required;`,
    },
  },
  {
    ...{ name: 'TOKEN', port: token, protocol: 'SASL_SSL' },
    settings: {
      ...certificate,
      'sasl.enabled.mechanisms': 'OAUTHBEARER',
      'oauthbearer.sasl.jaas.config': `${jaas}.oauthbearer.OAuthBearerLoginModule required unsecuredLoginStringClaim_sub="broker";`,
    },
  },
]
const kafka = await startOwnKafka({ listeners })
afterAll(() => kafka?.stop())

/** As an authority would sign it; this broker takes tokens without a signature. */
function tokenFor(subject: string, seconds: number): string {
  const now = Date.now() / 1000
  const parts = [{ alg: 'none' }, { sub: subject, iat: now, exp: now + seconds }]
  return `${parts.map(part => Buffer.from(JSON.stringify(part)).toString('base64url')).join('.')}.`
}

describe.skipIf(!kafka)('Kafka with TLS and logins', () => {
  const logs: EventLog[] = []

  beforeAll(async () => {
    const named = { server, client, stranger }
    for (const [name, { cert, key }] of Object.entries(named)) {
      await writeFile(file(`${name}.crt`), cert)
      await writeFile(file(`${name}.key`), key)
    }
    const configure = ['--alter', '--entity-type', 'users', '--entity-name', 'orderwire']
    const password = ['--add-config', `SCRAM-SHA-512=[iterations=4096,password=${PASSWORD}]`]
    const args = ['--bootstrap-server', kafka?.brokers ?? '', ...configure, ...password]
    await run('java', [...(await javaWithKafka()), 'kafka.admin.ConfigCommand', ...args])
  })
  afterEach(async () => {
    await Promise.all(logs.splice(0).map(log => log.close()))
  })

  async function open(port: number, options: Partial<KafkaLogOptions>): Promise<EventLog> {
    const log = await openKafkaLog(`localhost:${port}`, { topic: unique('company'), ...options })
    logs.push(log)
    return log
  }

  async function works(log: EventLog): Promise<void> {
    await log.append(eventsOf('a', 2))
    const reader = await record(log, unique('group'))
    await vi.waitFor(() => expect(reader.taken).toHaveLength(2), { timeout: 60_000, interval: 50 })
    expect(log.health()).toBeNull()
  }

  const tls = (name: string | null = null) => ({
    ca: file('server.crt'),
    client: name === null ? null : { cert: file(`${name}.crt`), key: file(`${name}.key`), password: null },
  })

  test('a broker that asks for a certificate takes ours', async () => {
    await works(await open(mutual, { tls: tls('client') }))
  })

  test.each([
    ['no certificate', null],
    ['another certificate', 'stranger'],
  ])('%s is refused, and the sentence names the variables', async (_, name) => {
    const log = await open(mutual, { tls: tls(name) })
    const error = await log.append(eventsOf('a', 1)).catch(error => error)
    expect(error).toMatchObject({ name: 'AppError', code: 'kafka.tls' })
    expect(error.message).toContain('KAFKA_SSL_CERT')
  })

  test('a broker that nobody has vouched for is refused', async () => {
    const log = await open(mutual, { tls: { ca: null, client: null } })
    await expect(log.append(eventsOf('a', 1))).rejects.toMatchObject({ code: 'kafka.tls', intent: 'stop' })
  })

  test('a renewed certificate is used from the next connection on', async () => {
    await writeFile(file('renewed.crt'), stranger.cert)
    await writeFile(file('renewed.key'), stranger.key)
    const log = await open(mutual, { tls: tls('renewed') })
    await expect(log.append(eventsOf('a', 1))).rejects.toMatchObject({ code: 'kafka.tls' })
    await writeFile(file('renewed.crt'), client.cert)
    await writeFile(file('renewed.key'), client.key)
    await works(log)
  })

  test('a password by SCRAM goes through TLS', async () => {
    const sasl = { mechanism: 'scram-sha-512' as const, username: 'orderwire', password: PASSWORD }
    await works(await open(scram, { tls: tls(), sasl }))
    const wrong = await open(scram, { tls: tls(), sasl: { ...sasl, password: 'wrong' } })
    await expect(wrong.append(eventsOf('a', 1))).rejects.toMatchObject({ code: 'kafka.sasl', intent: 'stop' })
  })

  test('a token comes from a file', async () => {
    await writeFile(file('token'), `${tokenFor('orderwire', 3600)}\n`)
    const sasl = { mechanism: 'oauthbearer' as const, token: { file: file('token') } }
    await works(await open(token, { tls: tls(), sasl }))
  })

  test('a token comes from a command, once for all connections', async () => {
    await writeFile(file('asked'), '')
    const command = `echo asked >> ${file('asked')}; echo ${tokenFor('orderwire', 3600)}`
    await works(await open(token, { tls: tls(), sasl: { mechanism: 'oauthbearer', token: { command } } }))
    expect(await readFile(file('asked'), 'utf8')).toBe('asked\n')
  })

  test.each([
    [
      'a token that has expired',
      () => ({ command: `echo ${tokenFor('orderwire', -60)}` }),
      'kafka.sasl',
      /token.*KAFKA_SASL_TOKEN_FILE/,
    ],
    [
      'a file that is not there',
      () => ({ file: file('nowhere') }),
      'kafka.token',
      /KAFKA_SASL_TOKEN_FILE cannot be read/,
    ],
    ['an empty file', () => ({ command: 'true' }), 'kafka.token', /the token is empty/],
    [
      'a command that fails',
      () => ({ command: 'echo secret >&2; exit 7' }),
      'kafka.token',
      /^There is no token for Kafka: the command in KAFKA_SASL_TOKEN_COMMAND ended with 7\.$/,
    ],
  ])('%s is one sentence', async (_, source, code, sentence) => {
    const log = await open(token, { tls: tls(), sasl: { mechanism: 'oauthbearer', token: source() } })
    const error = await log.append(eventsOf('a', 1)).catch(error => error)
    expect(error).toMatchObject({ code, message: expect.stringMatching(sentence) })
  })

  test('a token that could not be had is asked for again', async () => {
    const sasl = { mechanism: 'oauthbearer' as const, token: { file: file('later') } }
    const log = await open(token, { tls: tls(), sasl })
    await expect(log.append(eventsOf('a', 1))).rejects.toMatchObject({ code: 'kafka.token', intent: 'retry' })
    await writeFile(file('later'), tokenFor('orderwire', 3600))
    await works(log)
  })
})
