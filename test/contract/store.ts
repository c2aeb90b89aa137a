import { afterEach, beforeEach, describe } from 'vitest'
import type { Store } from '../../src/store/store.ts'
import { alertContract } from './store/alerts.ts'
import { backlogContract } from './store/backlog.ts'
import { configurationContract } from './store/configuration.ts'
import { deadLetterContract } from './store/dead-letters.ts'
import { deliveryContract } from './store/deliveries.ts'
import { eventContract } from './store/events.ts'
import { laneContract } from './store/lanes.ts'
import { leaseContract } from './store/leases.ts'
import { orderContract } from './store/orders.ts'
import { projectContract } from './store/projects.ts'
import { readingAgainContract } from './store/reading-again.ts'
import { replayContract } from './store/replays.ts'
import { requestContract } from './store/requests.ts'
import { retentionContract } from './store/retention.ts'
import { sessionContract } from './store/sessions.ts'
import { unnamedWindowContract } from './store/unnamed-windows.ts'
import { verifyContract } from './store/verify.ts'
import type { World } from './store/world.ts'

/** What a store adapter gives the suite. */
export interface StoreHarness {
  readonly store: Store
  /** Closes the store and opens it again on what it kept. */
  reopen(): Promise<StoreHarness>
  /** Runs a statement on the database itself. */
  tamper(statement: string): Promise<void>
  /** Closes the store and removes what it left. */
  close(): Promise<void>
}

const EVERYTHING = [
  leaseContract,
  requestContract,
  configurationContract,
  readingAgainContract,
  orderContract,
  eventContract,
  laneContract,
  backlogContract,
  deadLetterContract,
  deliveryContract,
  retentionContract,
  replayContract,
  projectContract,
  alertContract,
  sessionContract,
  unnamedWindowContract,
  verifyContract,
]

/** The promises in which sessions, transactions and locks matter: those to ask for again where something stands before the database. */
export const SESSION_CONTRACTS = [
  leaseContract,
  requestContract,
  orderContract,
  laneContract,
  backlogContract,
  projectContract,
]

/** Runs the promises of the `Store` port on an adapter, or some of them; `open` starts with an empty store. */
export function storeContract(name: string, open: () => Promise<StoreHarness>, contracts = EVERYTHING): void {
  describe(`store: ${name}`, { timeout: 60_000 }, () => {
    let harness: StoreHarness
    beforeEach(async () => {
      harness = await open()
    }, 60_000)
    afterEach(() => harness.close(), 60_000)

    const world: World = {
      get store() {
        return harness.store
      },
      reopen: async () => {
        harness = await harness.reopen()
      },
      tamper: statement => harness.tamper(statement),
    }
    for (const contract of contracts) contract(world)
  })
}
