import { systemClock } from '../../../src/lib/clock.ts'
import { openSqlite } from '../../../src/store/sqlite/sqlite.ts'

/** A process of its own that keeps a folder's store open until it is killed: `node hold-store.ts FOLDER`. */
const [, , folder = ''] = process.argv
const store = await openSqlite({ folder, clock: systemClock() })
await store.offsets.set('held by', 0, process.pid)
console.log('open')
setInterval(() => {}, 1000)
