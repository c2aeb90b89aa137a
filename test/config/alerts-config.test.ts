import { describe, expect, test } from 'vitest'
import { ALERT_NAMES } from '../../schemas/alert.ts'
import { Config } from '../../schemas/config.ts'

const url = 'https://hooks.example/T0SECRET'
const problems = (alerts: unknown) =>
  Config.safeParse({ alerts }).error?.issues.map(({ path, message }) => `${path.join('.')}: ${message}`) ?? []

describe('`alerts` of the configuration', () => {
  test('are none by default, and an entry is told of everything in the standard format', () => {
    expect(Config.parse({}).alerts).toEqual([])
    expect(Config.parse({ alerts: [{ url }] }).alerts).toEqual([{ url, on: [...ALERT_NAMES], format: 'standard' }])
  })

  test('take the names they may be told of, a format and a secret', () => {
    const secret = `whsec_${Buffer.alloc(32, 1).toString('base64')}`
    const alerts = [
      { url, on: ['dead-letter'], format: 'slack' },
      { url: `${url}/2`, secret },
    ]
    expect(problems(alerts)).toEqual([])
  })

  test('refuse an unknown name, an unknown key, a secret for Slack, and one URL twice', () => {
    expect(problems([{ url, on: ['order.paid'] }])).toHaveLength(1)
    expect(problems([{ url, on: [] }])).toHaveLength(1)
    expect(problems([{ url, level: 'high' }])).toHaveLength(1)
    const secret = `whsec_${Buffer.alloc(32, 1).toString('base64')}`
    expect(problems([{ url, format: 'slack', secret }])).toEqual([
      'alerts.0.secret: no secret with the format "slack", which has no signatures',
    ])
    expect(problems([{ url }, { url }])).toEqual(['alerts.1.url: a URL that no other alert has'])
    expect(problems([{ url: 'ftp://hooks.example' }])).not.toEqual([])
  })
})
