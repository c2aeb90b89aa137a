import { AppError } from './errors.ts'

/** Which servers a session may be opened on, in libpq's words. The store writes, so it cannot use a standby. */
export type TargetSession = 'any' | 'read-write' | 'primary'

export interface DatabaseHost {
  /** `host:port` for messages. */
  readonly place: string
  /** A connection URL of this host alone, for `pg`. */
  readonly url: string
}

/** `DATABASE_URL`, parsed as libpq does. Only `place` may be shown; the rest holds the password. */
export interface DatabaseAddress {
  /** In the order they are tried. */
  readonly hosts: readonly [DatabaseHost, ...DatabaseHost[]]
  readonly target: TargetSession
  /** Each new session tries the hosts in an order of its own. */
  readonly shuffled: boolean
  /** How long one host may take to answer. */
  readonly connectTimeoutMs: number
  /** All hosts with their ports. */
  readonly place: string
}

const FORM = 'postgres://user:password@host:5432/database'
const ESCAPES = 'write "/" as %2F, "@" as %40, "#" as %23, "?" as %3F, ":" as %3A and "%" as %25'
const [ONE_HOST_MS, EACH_HOST_MS] = [10_000, 5_000]
/** Parameters that are read here; `pg` gets the others. */
const OURS = ['host', 'port', 'target_session_attrs', 'load_balance_hosts', 'connect_timeout']

const wrong = (what: string) => new AppError(`DATABASE_URL: ${what}`, { code: 'store.bad_url', intent: 'fix' })

/**
 * Parses a connection URL. Several hosts are separated by commas (`h1:5432,h2:5433`, or `?host=h1,h2&port=5432,5433`).
 * Errors: `store.bad_url` (intent `fix`), which names the mistake and shows nothing of the URL.
 */
export function parseDatabaseUrl(text: string): DatabaseAddress {
  const scheme = /^postgres(?:ql)?:\/\//i.exec(text)?.[0]
  if (scheme === undefined)
    throw wrong(`expected a URL that begins with postgres:// or postgresql://, as ${FORM}, found something else`)
  const rest = text.slice(scheme.length)
  refuseUnescaped(rest)
  const [, authority = '', database = '', query = ''] = /^([^/?]*)(?:\/([^?]*))?(?:\?(.*))?$/s.exec(rest) ?? []
  const at = authority.lastIndexOf('@')
  const user = authority.slice(0, at + 1)
  const params = new URLSearchParams(query)
  const named = params.get('host')
  const hosts =
    named === null
      ? authority
          .slice(at + 1)
          .split(',')
          .map(hostAndPort)
      : zipped(named.split(','), params.get('port')?.split(',') ?? [])
  const own = new URLSearchParams([...params].filter(([name]) => !OURS.includes(name)))
  const [first, ...others] = hosts.map(({ host, port }): DatabaseHost => {
    const mine = new URLSearchParams(own)
    if (host !== '') mine.set('host', host)
    if (port !== '') mine.set('port', port)
    const suffix = mine.size > 0 ? `?${mine.toString().replaceAll('+', '%20')}` : ''
    const shown = host || 'localhost'
    return {
      place: `${shown.includes(':') ? `[${shown}]` : shown}:${port || '5432'}`,
      url: `postgres://${user.replaceAll(' ', '%20')}/${database.replaceAll(' ', '%20')}${suffix}`,
    }
  })
  if (!first) throw wrong(`expected a host, as ${FORM}, found none`)
  const several = others.length > 0
  return {
    hosts: [first, ...others],
    target: targetOf(params.get('target_session_attrs'), several),
    shuffled: choice(params, 'load_balance_hosts', ['disable', 'random'], 'disable') === 'random',
    connectTimeoutMs: timeoutOf(params.get('connect_timeout')) ?? (several ? EACH_HOST_MS : ONE_HOST_MS),
    place: [first, ...others].map(({ place }) => place).join(','),
  }
}

/** A password with an unescaped character of these would be read in part as a host or a database, and appear in messages. */
function refuseUnescaped(rest: string): void {
  const found = (what: string) => wrong(`found ${what}; in the user name and the password ${ESCAPES}`)
  if (rest.includes('#')) throw found('a "#", which ends a URL')
  const [beforeQuery = '', ...afterMark] = rest.split('?')
  const [authority = '', ...path] = beforeQuery.split('/')
  if (path.some(part => part.includes('@'))) throw found('a "/" before the "@"')
  if (!authority.includes('@') && path.length === 0 && afterMark.some(part => part.includes('@')) && authority !== '')
    throw found('a "?" before the "@"')
  if (authority.split('@').length > 2) throw found('more than one "@" before the host')
  for (const part of [authority, ...path])
    try {
      decodeURIComponent(part)
    } catch {
      throw found('a "%" that escapes no character')
    }
}

interface HostAndPort {
  readonly host: string
  readonly port: string
}

function hostAndPort(text: string): HostAndPort {
  const [, bracketed, plain = '', port = ''] = /^(?:\[([0-9a-fA-F:.%]+)\]|([^:[\]]*))(?::(\d*))?$/.exec(text) ?? []
  const host = bracketed ?? decodeURIComponent(plain)
  if (bracketed === undefined && plain === '' && port === '' && text !== '') throw notAHost()
  return checked({ host, port })
}

function zipped(hosts: readonly string[], ports: readonly string[]): HostAndPort[] {
  if (ports.length > 1 && ports.length !== hosts.length)
    throw wrong(`expected one port, or one for each of the ${hosts.length} hosts, found ${ports.length} ports`)
  return hosts.map((host, index) => checked({ host, port: (ports.length > 1 ? ports[index] : ports[0]) ?? '' }))
}

function checked({ host, port }: HostAndPort): HostAndPort {
  const right = /^[^\s@,]*$/.test(host) && /^\d*$/.test(port) && Number(port || 1) >= 1 && Number(port) <= 65_535
  if (!right) throw notAHost()
  return { host, port }
}

const notAHost = () =>
  wrong(
    `expected a host with a port from 1 to 65535, or several separated by commas, found something else; ` +
      `in the user name and the password ${ESCAPES}`,
  )

function targetOf(given: string | null, several: boolean): TargetSession {
  // Of several servers only one is usually open for writes, and the store always writes.
  if (given === null) return several ? 'read-write' : 'any'
  if (given === 'any' || given === 'read-write' || given === 'primary') return given
  throw wrong(
    'target_session_attrs: expected any, read-write or primary, found something else; the store writes, so a standby is of no use to it',
  )
}

function choice(params: URLSearchParams, name: string, values: readonly string[], fallback: string): string {
  const given = params.get(name) ?? fallback
  if (values.includes(given)) return given
  throw wrong(`${name}: expected ${values.join(' or ')}, found something else`)
}

/** As in libpq: seconds, 0 or less is no limit of its own, and a limit is at least 2 s. */
function timeoutOf(given: string | null): number | null {
  if (given === null) return null
  if (!/^-?\d{1,6}$/.test(given)) throw wrong('connect_timeout: expected whole seconds, found something else')
  return Number(given) <= 0 ? null : Math.max(2, Number(given)) * 1_000
}
