import { scheduler } from 'node:timers/promises'

/** Between the chunks of long work: lets everything else in the process have its turn. SQLite never gives one on its own. */
export const pause = (): Promise<void> => scheduler.yield()
