import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, describe, expect, test } from 'vitest'
import { kafkaSettings } from '../../src/config/kafka-settings.ts'
import { variablesOf } from '../../src/config/variables.ts'
import { selfSigned } from '../helpers/self-signed.ts'
import { temporaryFolder } from '../helpers/temp.ts'

const folder = await temporaryFolder()
afterAll(() => folder.remove())
const file = (name: string) => join(folder.path, name)
const [ours, other] = [selfSigned(), selfSigned()]
await writeFile(file('our.crt'), ours.cert)
await writeFile(file('our.key'), ours.key)
await writeFile(file('other.key'), other.key)

const SECRET = 'secret-of-kafka'
const read = (env: Readonly<Record<string, string>>) => kafkaSettings(variablesOf({ KAFKA_BROKERS: 'k:9092', ...env }))
const client = { KAFKA_SSL_CERT: file('our.crt'), KAFKA_SSL_KEY: file('our.key') }

describe('Kafka from the environment', () => {
  test('without brokers there is none', () => {
    expect(kafkaSettings(variablesOf({ KAFKA_SSL: 'true' }))).toBeNull()
  })

  test.each([
    ['nothing', {}, null],
    ['KAFKA_SSL alone', { KAFKA_SSL: '1' }, { ca: null, client: null }],
    ['an authority', { KAFKA_SSL_CA: file('our.crt') }, { ca: file('our.crt'), client: null }],
    ['a certificate', client, { ca: null, client: { cert: file('our.crt'), key: file('our.key'), password: null } }],
  ])('%s asks for the TLS it says', (_, env, tls) => {
    expect(read(env)?.tls).toEqual(tls)
  })

  test.each([
    ['nothing', {}, null],
    [
      'a user',
      { KAFKA_SASL_USERNAME: 'u', KAFKA_SASL_PASSWORD: 'p' },
      { mechanism: 'plain', username: 'u', password: 'p' },
    ],
    ['a file with a token', { KAFKA_SASL_TOKEN_FILE: '/t' }, { mechanism: 'oauthbearer', token: { file: '/t' } }],
    [
      'a command for a token',
      { KAFKA_SASL_MECHANISM: 'OAUTHBEARER', KAFKA_SASL_TOKEN_COMMAND: 'ask' },
      { mechanism: 'oauthbearer', token: { command: 'ask' } },
    ],
  ])('%s logs in as it says', (_, env, sasl) => {
    expect(read(env)?.sasl).toEqual(sasl)
  })

  test.each<[string, Record<string, string>, RegExp]>([
    [
      'a certificate without its key',
      { KAFKA_SSL_CERT: file('our.crt') },
      /KAFKA_SSL_CERT and KAFKA_SSL_KEY: expected both/,
    ],
    ['a password for no key', { KAFKA_SSL_KEY_PASSWORD: SECRET }, /set KAFKA_SSL_KEY as well/],
    ['files without TLS', { KAFKA_SSL: 'false', ...client }, /set KAFKA_SSL=true/],
    ['a file that is not there', { KAFKA_SSL_CA: file('nowhere') }, /expected files in PEM.*nowhere/],
    ['a key of another certificate', { ...client, KAFKA_SSL_KEY: file('other.key') }, /expected files in PEM/],
    [
      'a mechanism without a user',
      { KAFKA_SASL_MECHANISM: 'plain' },
      /set KAFKA_SASL_USERNAME and KAFKA_SASL_PASSWORD/,
    ],
    ['a user without a password', { KAFKA_SASL_USERNAME: 'u' }, /expected both or neither/],
    ['a password without a user', { KAFKA_SASL_PASSWORD: SECRET }, /expected both or neither/],
    ['a mechanism without a token', { KAFKA_SASL_MECHANISM: 'oauthbearer' }, /expected exactly one/],
    [
      'two sources of a token',
      { KAFKA_SASL_TOKEN_FILE: '/t', KAFKA_SASL_TOKEN_COMMAND: SECRET },
      /expected exactly one/,
    ],
    [
      'a token and a password',
      { KAFKA_SASL_TOKEN_FILE: '/t', KAFKA_SASL_PASSWORD: SECRET },
      /not used with oauthbearer/,
    ],
    [
      'a token for another mechanism',
      { KAFKA_SASL_MECHANISM: 'plain', KAFKA_SASL_TOKEN_COMMAND: SECRET },
      /only with KAFKA_SASL_MECHANISM=oauthbearer/,
    ],
  ])('%s is a mistake of the configuration, told without secrets', (_, env, sentence) => {
    expect(() => read(env)).toThrow(
      expect.objectContaining({ code: 'config.invalid', message: expect.stringMatching(sentence) }),
    )
    expect(() => read(env)).not.toThrow(SECRET)
  })
})
