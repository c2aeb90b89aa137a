import { expect, test } from 'vitest'
import { openFilesLimit, patientConnector } from '../../src/lib/open-files.ts'
import { memoryClock } from '../helpers/memory-clock.ts'

const options = { hostname: 'shop.test', host: 'shop.test', protocol: 'http:', port: '80' }
const outOfFiles = () => Object.assign(new Error('connect EMFILE'), { code: 'EMFILE' })

/** Connects with what comes of each attempt; tells how often it was tried and what came out. */
async function connecting(ends: (attempt: number) => Error, advanceMs: number) {
  const clock = memoryClock()
  const seen = { attempts: 0, rooms: 0, end: null as Error | null }
  const connect = patientConnector((_, callback) => callback(ends(++seen.attempts), null), {
    clock,
    withinMs: 1_000,
    makeRoom: () => seen.rooms++,
  })
  connect(options, (...[error]) => {
    seen.end = error
  })
  await clock.advance(advanceMs)
  return seen
}

test('a process that may not open more connections makes room and waits for one to become free', async () => {
  const refused = new Error('connection refused')
  const seen = await connecting(attempt => (attempt <= 3 ? outOfFiles() : refused), 500)
  expect(seen).toEqual({ attempts: 4, rooms: 3, end: refused })
})

test('it does not wait for ever', async () => {
  const seen = await connecting(outOfFiles, 5_000)
  expect(seen.end).toMatchObject({ code: 'EMFILE' })
  expect(seen.attempts).toBeLessThan(20)
})

test.skipIf(process.platform !== 'linux')('the limit of open files is known', () => {
  expect(openFilesLimit()).toBeGreaterThan(10)
})
