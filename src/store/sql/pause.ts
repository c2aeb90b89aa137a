import { scheduler } from 'node:timers/promises'

/** Call it between the chunks of long work: the rest of the process gets a turn and this much time. SQLite calls never yield. */
export const pause = (ms = 0): Promise<void> => (ms > 0 ? scheduler.wait(ms) : scheduler.yield())
