import { randomUUID } from 'node:crypto'
import type { TuyaConnection } from '../../../schemas/vendor/connections.ts'
import { TuyaEnvelope, TuyaToken } from '../../../schemas/vendor/tuya.ts'
import type { Clock } from '../../lib/clock.ts'
import { AppError } from '../../lib/errors.ts'
import { statusError, type VendorHttp, type VendorResponse } from '../shared/http.ts'
import { emptyAsNull, quantityOf, scalarText } from '../shared/parse.ts'
import type { ReadOptions } from '../source.ts'
import { tuyaEncode, tuyaSign, tuyaUrl } from './tuya-sign.ts'
import type { ProjectToken, TokenKeeper } from './tuya-token.ts'

/** Signed, authorised requests to Tuya: asks for tokens where the keeper has none, and says what the codes of failures mean. */
export interface TuyaClient {
  /** The `result` of a business call, wrapped or bare; null: the vendor has no such thing. `path` is percent-encoded. */
  get(path: string, query: Readonly<Record<string, string | number>>, options: ReadOptions): Promise<unknown>
  /** Proves credentials and signature: by a new token, or, where one is valid, by this request, whatever else it answers. */
  authorise(path: string, query: Readonly<Record<string, string | number>>, options: ReadOptions): Promise<void>
}

type Answer = { readonly ok: true; readonly result: unknown } | { readonly ok: false; readonly code: string }

const TOKEN_EXPIRED = '1010'
const TOKEN_INVALID = '1011'
const CLOCK = '1013'
const CONCURRENCY = '1110'
const NOT_FOUND = '2005001'
/** What a person has to put right; asking again would not help (case 16). */
const STOP: ReadonlyMap<string, string> = new Map(
  Object.entries({
    1001: 'the client secret is wrong',
    1004: 'the signature is wrong: check clientId and clientSecret',
    1005: 'the client id is wrong',
    1106: 'the project has no permission for this: check mallCode, shopCode and what the project is authorised for',
    28841002: "the project's plan has expired",
    28841004: "the project's trial quota is used up",
    28841101: 'the project has not subscribed to this API',
    28841105: 'the project is not authorised for this API',
  }),
)
/** Codes that refuse the client itself, whatever it asked for. */
const NOT_US = ['1001', '1004', '1005']
/** Statuses that may carry a failure's code, though most come with 200. */
const STATUSES_WITH_CODE = [400, 401, 403, 404]
const CONCURRENCY_PAUSE = 1_000
const DEFAULT_LIFETIME = 7_200_000

export function createTuyaClient(deps: {
  connection: Pick<TuyaConnection, 'clientId' | 'clientSecret'>
  http: VendorHttp
  clock: Clock
  tokens: TokenKeeper
}): TuyaClient {
  const { connection, http, clock, tokens } = deps
  const { clientId, clientSecret: secret } = connection
  /** What to add to our clock, once the vendor refused it and named its own; before that the `Date` of its answers counts. */
  let offset: number | null = null

  const now = () => Math.round(offset === null ? http.vendorNow() : clock.now() + offset)

  /** One signed request; asks again, once, if only our clock was refused (case 17). */
  async function send(url: string, where: string, accessToken: string | null, options: ReadOptions): Promise<Answer> {
    for (let resynced = false; ; resynced = true) {
      const [path = '', query = ''] = url.split('?')
      const [t, nonce] = [String(now()), randomUUID()]
      const access = accessToken === null ? {} : { accessToken }
      const sign = tuyaSign({ clientId, secret, ...access, t, nonce, method: 'GET', url })
      const response = await http.get(path, {
        ...options,
        query,
        label: where,
        accept: STATUSES_WITH_CODE,
        headers: {
          client_id: clientId,
          sign,
          t,
          nonce,
          sign_method: 'HMAC-SHA256',
          ...(accessToken !== null && { access_token: accessToken }),
        },
      })
      const answer = readAnswer(response, `GET ${where}`)
      if (answer.ok || answer.code !== CLOCK || resynced) return answer
      // If it names no time, the other one is tried: ours after that of its `Date`, which a proxy may have set.
      offset = answer.t !== null ? answer.t - clock.now() : offset === null ? 0 : null
    }
  }

  /** The token to use now, instead of `used` if that was refused. */
  const tokenFor = (options: ReadOptions, refused?: { used: string; code: string }): Promise<ProjectToken> =>
    tokens.tokenFor(
      refresh => (refresh === null ? grant(options) : refreshWith(refresh, options)),
      options.signal,
      refused && { access: refused.used, replaced: refused.code === TOKEN_INVALID },
    )

  /** null: the refresh token, good for one use, was used up. */
  async function refreshWith(refresh: string, options: ReadOptions): Promise<ProjectToken | null> {
    try {
      const answer = await send(`/v1.0/token/${tuyaEncode(refresh)}`, '/v1.0/token/…', null, options)
      return answer.ok ? readToken(answer.result) : null
    } catch (error) {
      if (error instanceof AppError && error.code === 'vendor.refused') return null
      throw error
    }
  }

  async function grant(options: ReadOptions): Promise<ProjectToken> {
    const answer = await send(tuyaUrl('/v1.0/token', { grant_type: 1 }), '/v1.0/token', null, options)
    if (!answer.ok) throw failure(answer.code, 'GET /v1.0/token')
    return readToken(answer.result)
  }

  function readToken(result: unknown): ProjectToken {
    const read = TuyaToken.safeParse(result)
    if (!read.success)
      throw new AppError('GET /v1.0/token answered no access_token; expected one. It is tried again.', {
        code: 'tuya.malformed',
        intent: 'retry',
      })
    const { access_token: access, refresh_token: refresh = null, expire_time } = read.data
    const seconds = quantityOf(expire_time)
    const lifetime = seconds.state === 'given' ? seconds.value * 1000 : DEFAULT_LIFETIME
    return { access, refresh, renewAt: clock.now() + lifetime - Math.min(60_000, lifetime / 10) }
  }

  return {
    async get(path, query, options) {
      const url = tuyaUrl(path, query)
      let { access } = await tokenFor(options)
      let hasRenewed = false
      let hasPaused = false
      for (;;) {
        const answer = await send(url, path, access, options)
        if (answer.ok) return answer.result
        const { code } = answer
        if (code === NOT_FOUND) return null
        if ((code === TOKEN_EXPIRED || code === TOKEN_INVALID) && !hasRenewed) {
          hasRenewed = true
          access = (await tokenFor(options, { used: access, code })).access
        } else if (code === CONCURRENCY && !hasPaused) {
          hasPaused = true
          await clock.sleep(CONCURRENCY_PAUSE * (1 + Math.random()), options.signal)
        } else {
          throw failure(code, `GET ${path}`)
        }
      }
    },

    async authorise(path, query, options) {
      let isNew = false
      const { access } = await tokens.tokenFor(refresh => {
        isNew = true
        return refresh === null ? grant(options) : refreshWith(refresh, options)
      }, options.signal)
      if (isNew) return
      const answer = await send(tuyaUrl(path, query), path, access, options)
      if (answer.ok) return
      const { code } = answer
      if (NOT_US.includes(code)) throw failure(code, `GET ${path}`)
      if (code === TOKEN_EXPIRED || code === TOKEN_INVALID) await tokenFor(options, { used: access, code })
    },
  }
}

type TimedAnswer = Answer & { readonly t: number | null }

/** Takes the envelope off, if there is one. */
function readAnswer(response: VendorResponse, where: string): TimedAnswer {
  if (response.status >= 400) return readRefusal(response, where)
  const json = response.json()
  const envelope = TuyaEnvelope.safeParse(json)
  if (json === null) return { ok: true, result: null, t: null }
  if (!envelope.success)
    throw new AppError(`${where} answered something that is no object; expected one. It is tried again.`, {
      code: 'tuya.malformed',
      intent: 'retry',
    })
  const { success, code, t, result } = envelope.data
  const word = scalarText(success).toLowerCase()
  if (word === 'true' || (success === undefined && result !== undefined))
    return { ok: true, result: result ?? null, t: readT(t) }
  const isBare = success === undefined && emptyAsNull(code) === null
  if (isBare) return { ok: true, result: json, t: null }
  return { ok: false, code: scalarText(emptyAsNull(code) ?? 'none').slice(0, 20), t: readT(t) }
}

/** A refusal by status counts as what its code says; without one, as what the status says. */
function readRefusal(response: VendorResponse, where: string): TimedAnswer {
  try {
    const { code, t } = TuyaEnvelope.parse(response.json())
    if (emptyAsNull(code) !== null) return { ok: false, code: scalarText(code).slice(0, 20), t: readT(t) }
  } catch {
    // Not even an envelope: the status is all there is.
  }
  throw statusError(response.status, where)
}

function readT(t: unknown): number | null {
  const ms = Math.round(Number(scalarText(emptyAsNull(t) ?? Number.NaN)))
  return Number.isSafeInteger(ms) && ms > 0 ? ms : null
}

function failure(code: string, where: string): AppError {
  const stop = STOP.get(code)
  if (stop !== undefined)
    return new AppError(`${where} failed with code ${code}: ${stop}.`, { code: 'tuya.refused', intent: 'stop' })
  if (code === TOKEN_EXPIRED || code === TOKEN_INVALID)
    return new AppError(
      `${where} failed with code ${code} again with a new token: another program may be renewing this project's token.`,
      { code: 'tuya.token', intent: 'retry' },
    )
  if (code === CLOCK)
    return new AppError(
      `${where} failed with code ${code}: the vendor refuses our time, also after setting it by its own.`,
      {
        code: 'tuya.clock',
        intent: 'retry',
      },
    )
  if (code === CONCURRENCY)
    return new AppError(`${where} failed with code ${code}: too many requests at once.`, {
      code: 'vendor.rate_limited',
      intent: 'retry',
      retryAfterMs: 5_000,
    })
  return new AppError(`${where} failed with code ${code}. It is tried again.`, { code: 'tuya.failed', intent: 'retry' })
}
