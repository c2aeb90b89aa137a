import { exec } from 'node:child_process'
import { readFile } from 'node:fs/promises'
import { connect, isIP } from 'node:net'
import { connect as connectSecurely } from 'node:tls'
import { promisify } from 'node:util'
import type { ISocketFactory, Mechanism, SASLOptions } from 'kafkajs'
import type { KafkaSasl, TokenSource } from '../../config/kafka-settings.ts'
import type { Clock } from '../../lib/clock.ts'
import { AppError, messageOf } from '../../lib/errors.ts'
import { readTlsFiles, type TlsFiles } from '../../lib/tls-files.ts'

/** Many connections are made at once; they share a token. Short, because a token may be valid for a minute only. */
const TOKEN_FOR_MS = 5_000
const COMMAND_MS = 10_000
const LONGEST_TOKEN = 1024 * 1024
/** As kafkajs has it. */
const KEEP_ALIVE_MS = 60_000

export const socketsOf =
  (tls: TlsFiles | null): ISocketFactory =>
  ({ host, port, onConnect }) => {
    // A name is sent, so that one address can serve several; an IP address must not be.
    const name = isIP(host) ? {} : { servername: host }
    const socket = tls
      ? connectSecurely({ host, port, ...name, ...readTlsFiles(tls) }, onConnect)
      : connect({ host, port }, onConnect)
    return socket.setKeepAlive(true, KEEP_ALIVE_MS)
  }

/** A new object for each client, because kafkajs keeps in it how it logs in. */
export const saslOptionsOf = (sasl: KafkaSasl, clock: Clock): SASLOptions | Mechanism =>
  sasl.mechanism === 'oauthbearer' ? bearer(sasl.token, clock) : ({ ...sasl } as SASLOptions)

/** kafkajs has this mechanism, but takes a broker's refusal for success, and reports the lost connection that follows. */
const bearer = (source: TokenSource, clock: Clock): Mechanism => ({
  mechanism: 'oauthbearer',
  authenticationProvider: ({ saslAuthenticate }) => ({
    async authenticate() {
      const token = await sharedToken(source, clock)
      // RFC 7628; its answer is empty, or says what is wrong.
      const answer = await saslAuthenticate({
        request: { encode: () => sized(`n,,\u0001auth=Bearer ${token}\u0001\u0001`) },
        response: { decode: bytes => bytes, parse: bytes => bytes.subarray(4).toString() },
      })
      if (!answer) return
      throw new AppError('Kafka refused the token; check KAFKA_SASL_TOKEN_FILE or KAFKA_SASL_TOKEN_COMMAND.', {
        code: 'kafka.sasl',
        intent: 'stop',
      })
    },
  }),
})

function sized(text: string): Buffer {
  const bytes = Buffer.from(text)
  const size = Buffer.alloc(4)
  size.writeInt32BE(bytes.length)
  return Buffer.concat([size, bytes])
}

const tokens = new WeakMap<TokenSource, { readonly asked: number; readonly token: Promise<string> }>()

async function sharedToken(source: TokenSource, clock: Clock): Promise<string> {
  const known = tokens.get(source)
  if (known && clock.monotonic() - known.asked < TOKEN_FOR_MS) return await known.token
  const token = 'file' in source ? readToken(source.file) : askForToken(source.command)
  tokens.set(source, { asked: clock.monotonic(), token })
  try {
    return await token
  } catch (error) {
    tokens.delete(source)
    throw error
  }
}

const readToken = (file: string): Promise<string> =>
  readFile(file, 'utf8').then(checked, error => {
    throw noToken(`KAFKA_SASL_TOKEN_FILE cannot be read (${messageOf(error)})`)
  })

/** Neither the command nor what it says gets into the error: both may hold secrets. */
const askForToken = (command: string): Promise<string> =>
  promisify(exec)(command, { timeout: COMMAND_MS, maxBuffer: LONGEST_TOKEN, windowsHide: true }).then(
    ({ stdout }) => checked(stdout),
    error => {
      const how = error.killed ? `was ended after ${COMMAND_MS / 1000} s` : `ended with ${error.code ?? 'an error'}`
      throw noToken(`the command in KAFKA_SASL_TOKEN_COMMAND ${how}`)
    },
  )

function checked(text: string): string {
  const token = text.trim()
  // Other characters would end the token in the request. RFC 6750 allows fewer.
  if (/^[\x21-\x7e]+$/.test(token)) return token
  throw noToken(token === '' ? 'the token is empty' : 'the token is more than one word of ASCII')
}

const noToken = (why: string) =>
  new AppError(`There is no token for Kafka: ${why}.`, { code: 'kafka.token', intent: 'retry' })
