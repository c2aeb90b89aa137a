import { DatabaseSync } from 'node:sqlite'
import pg from 'pg'
import './next-step.ts'

/**
 * A process that opens a store of the next version and stops in the middle of the migration, as if killed:
 * `node migrate-and-stop.ts FOLDER-OR-URL die|hold WHERE`, WHERE being the number of the statement that changes something, `commit` (before it)
 * or `committed`.
 */
const [, , target = '', how = '', where = ''] = process.argv
let statements = 0

function stop(): void {
  process.stdout.write('stopped\n')
  if (how === 'die') process.kill(process.pid, 'SIGKILL')
  else Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0)
}

function before(text: string): void {
  if (/^\s*(create|alter|update|insert|drop)/i.test(text) && String(++statements) === where) stop()
  if (text === 'commit' && where === 'commit') stop()
}

const { prepare, exec } = DatabaseSync.prototype
DatabaseSync.prototype.prepare = function (text, ...rest) {
  before(text)
  return prepare.call(this, text, ...rest)
}
DatabaseSync.prototype.exec = function (text) {
  // The lock of the folder is a transaction, too, and is never committed.
  before(text)
  exec.call(this, text)
  if (text === 'commit' && where === 'committed') stop()
}

const send = pg.Client.prototype.query as (this: pg.Client, ...args: unknown[]) => unknown
Object.assign(pg.Client.prototype, {
  query(this: pg.Client, ...args: unknown[]) {
    const text = typeof args[0] === 'string' ? args[0] : ''
    before(text)
    const answer = send.apply(this, args)
    if (text === 'commit' && where === 'committed') return Promise.resolve(answer).then(stop)
    return answer
  },
})

const { systemClock } = await import('../../../src/lib/clock.ts')
const clock = systemClock()
if (target.startsWith('postgres:'))
  await (await import('../../../src/store/postgres/postgres.ts')).openPostgres({ url: target, clock })
else await (await import('../../../src/store/sqlite/sqlite.ts')).openSqlite({ folder: target, clock })
