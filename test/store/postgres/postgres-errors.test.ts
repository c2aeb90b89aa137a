import { expect, test } from 'vitest'
import { postgresError } from '../../../src/store/postgres/postgres-errors.ts'

const said = (code: string) => Object.assign(new Error('no room'), { code, severity: 'ERROR' })

test.each([
  ['53100', 'store.full', 'free space'],
  ['58030', 'store.io', 'check its disk'],
  ['53300', 'store.unreachable', 'out of resources'],
])('a server in trouble of its own (%s) is waited for, with what to do about it', (state, code, advice) => {
  const error = postgresError(said(state), 'db.test:5432')
  expect(error).toMatchObject({ code, intent: 'retry', message: expect.stringContaining(advice) })
})
