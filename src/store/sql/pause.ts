import { scheduler } from 'node:timers/promises'

/** Between the chunks of long work: lets everything else in the process have its turn, and so much time. SQLite never gives one on its own. */
export const pause = (ms = 0): Promise<void> => (ms > 0 ? scheduler.wait(ms) : scheduler.yield())
