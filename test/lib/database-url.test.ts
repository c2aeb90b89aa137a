import { describe, expect, test } from 'vitest'
import { parseDatabaseUrl } from '../../src/lib/database-url.ts'
import { AppError } from '../../src/lib/errors.ts'

function refusal(url: string): string {
  try {
    parseDatabaseUrl(url)
  } catch (error) {
    if (error instanceof AppError && error.code === 'store.bad_url' && error.intent === 'fix') return error.message
    throw error
  }
  throw new Error('it was understood')
}

describe('DATABASE_URL', () => {
  test.each([
    ['postgres://u:p@db/x', 'db:5432', ['postgres://u:p@/x?host=db']],
    ['postgresql://u:p@db:6000/x?sslmode=disable', 'db:6000', ['postgres://u:p@/x?sslmode=disable&host=db&port=6000']],
    ['postgres://u:p%2F%40%23@db/x', 'db:5432', ['postgres://u:p%2F%40%23@/x?host=db']],
    ['postgres://[::1]:6000/x', '[::1]:6000', ['postgres:///x?host=%3A%3A1&port=6000']],
    ['postgres://u@/x?host=/run/pg', '/run/pg:5432', ['postgres://u@/x?host=%2Frun%2Fpg']],
    ['postgres://u@%2Frun%2Fpg/x', '/run/pg:5432', ['postgres://u@/x?host=%2Frun%2Fpg']],
    ['postgres:///x', 'localhost:5432', ['postgres:///x']],
    [
      'postgres://u@a:1,b,c:3/x',
      'a:1,b:5432,c:3',
      ['postgres://u@/x?host=a&port=1', 'postgres://u@/x?host=b', 'postgres://u@/x?host=c&port=3'],
    ],
    [
      'postgres://u@/x?host=a,b&port=1,2',
      'a:1,b:2',
      ['postgres://u@/x?host=a&port=1', 'postgres://u@/x?host=b&port=2'],
    ],
    ['postgres://u@/x?host=a,b&port=7', 'a:7,b:7', ['postgres://u@/x?host=a&port=7', 'postgres://u@/x?host=b&port=7']],
    [
      'postgres://u@db/x?options=-c%20search_path%3Dshop',
      'db:5432',
      ['postgres://u@/x?options=-c%20search_path%3Dshop&host=db'],
    ],
  ])('%s is understood as libpq does', (url, place, urls) => {
    const address = parseDatabaseUrl(url)
    expect(address.place).toBe(place)
    expect(address.hosts.map(host => host.url)).toEqual(urls)
  })

  test('several hosts are searched for one that accepts writes, one host is taken as it is, and either can be said', () => {
    expect(parseDatabaseUrl('postgres://a,b/x').target).toBe('read-write')
    expect(parseDatabaseUrl('postgres://a,b/x?target_session_attrs=any').target).toBe('any')
    expect(parseDatabaseUrl('postgres://a/x').target).toBe('any')
    expect(parseDatabaseUrl('postgres://a/x?target_session_attrs=primary').target).toBe('primary')
    expect(parseDatabaseUrl('postgres://a,b/x?load_balance_hosts=random').shuffled).toBe(true)
    expect(parseDatabaseUrl('postgres://a,b/x?connect_timeout=3').connectTimeoutMs).toBe(3_000)
  })

  test.each([
    ['/', 'pa/77qq', '"/" before the "@"'],
    ['/ after digits', '77/qq', '"/" before the "@"'],
    ['@', 'pa@77qq', 'more than one "@"'],
    ['#', 'pa#77qq', '"#"'],
    ['# at its end', '77qq#', '"#"'],
    ['?', 'pa?77qq', '"?" before the "@"'],
    ['%', 'pa%77%qq', '"%"'],
    ['% at its end', '77qq%', '"%"'],
    ['% of no character', '77qq%ff', '"%"'],
    ['/ and @', '77qq/@x', '"@"'],
    ['? and /', 'pa?77/qq', '"?"'],
  ])(
    'an unescaped %s in the password is named with how to write it, and nothing of the password is',
    (_, password, trouble) => {
      const message = refusal(`postgres://shop-user:${password}@db.test:5432/orders`)
      expect(message).toMatch(/^DATABASE_URL: /)
      expect(message).toContain(trouble)
      expect(message).toContain('%2F')
      expect(message).not.toMatch(/77|qq|shop-user/)
    },
  )

  test.each([
    'mysql://u:77qq@db/x',
    'u:77qq@db/x',
    'postgres://u:77qq@db:99999/x',
    'postgres://u:77qq@db:0/x',
    'postgres://u:77qq@db:x/x',
    'postgres://u:77qq@a,b/x?target_session_attrs=standby',
    'postgres://u:77qq@a,b/x?target_session_attrs=77qq',
    'postgres://u:77qq@a,b/x?load_balance_hosts=77qq',
    'postgres://u:77qq@a,b/x?connect_timeout=77qq',
    'postgres://u:77qq@/x?host=a,b,c&port=1,2',
    'postgres://u:77qq@[::1/x',
  ])('%s is refused without its password', url => {
    expect(refusal(url)).not.toContain('77qq')
  })
})
