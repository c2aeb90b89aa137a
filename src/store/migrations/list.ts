import { start } from './0001-start.ts'
import { epochs } from './0002-epochs.ts'
import { projects } from './0003-projects.ts'
import { ahead } from './0004-ahead.ts'
import { expiryAndHandlers } from './0005-expiry-and-handlers.ts'
import { pausedHandlers } from './0006-paused-handlers.ts'
import { readingAgain } from './0007-reading-again.ts'
import { reading } from './0008-reading.ts'
import { finding } from './0009-finding.ts'
import { alerts } from './0010-alerts.ts'
import { sessions } from './0011-sessions.ts'
import { unpublished } from './0012-unpublished.ts'
import { oneFence } from './0013-one-fence.ts'
import { unnamedWindows } from './0014-unnamed-windows.ts'
import { quarantineOfAConnection } from './0015-quarantine-of-a-connection.ts'
import type { Migration } from './migration.ts'

/** All steps in order. A released step never changes: its place in this list is the schema version it leads to. */
export const MIGRATIONS: readonly Migration[] = [
  start,
  epochs,
  projects,
  ahead,
  expiryAndHandlers,
  pausedHandlers,
  readingAgain,
  reading,
  finding,
  alerts,
  sessions,
  unpublished,
  oneFence,
  unnamedWindows,
  quarantineOfAConnection,
]
