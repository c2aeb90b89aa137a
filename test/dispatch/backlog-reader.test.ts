import { describe, expect, test } from 'vitest'
import type { Admission } from '../../src/dispatch/admission.ts'
import type { Assignment } from '../../src/dispatch/assignment.ts'
import { createBacklogReader } from '../../src/dispatch/backlog-reader.ts'
import { createLaneTable } from '../../src/dispatch/lane-table.ts'
import { createMemory } from '../../src/dispatch/memory.ts'
import { createPersist } from '../../src/dispatch/persist.ts'
import type { LaneRow } from '../../src/store/port/lanes.ts'
import { memoryClock } from '../helpers/memory-clock.ts'
import { quietLog } from '../helpers/quiet.ts'

const assignment = { state: 'open' } as Assignment

/** A reader whose store answers when the test says so. */
function scene() {
  const clock = memoryClock()
  const table = createLaneTable(createMemory().share())
  const asked: ((rows: LaneRow[]) => void)[] = []
  const opened: string[] = []
  const reader = createBacklogReader({
    ...{ clock, table, destination: 'billing' },
    concurrency: () => 16,
    admission: { circuitOpen: false, blockedFor: () => 0 } as Admission,
    lanes: { open: orderKey => void opened.push(orderKey) },
    store: { due: () => new Promise(resolve => asked.push(resolve)) },
    persist: createPersist({ clock, log: quietLog, signal: new AbortController().signal }),
    owned: () => null,
    assignmentOf: () => assignment,
    owns: () => true,
    mayHaveRows: () => true,
    empty: () => {},
  })
  const row = (orderKey: string): LaneRow => ({
    ...{ destination: 'billing', orderKey, nextAt: clock.now(), attempt: 0, held: false },
  })
  const settled = () => clock.flush()
  return { reader, table, asked, opened, row, settled }
}

describe('a look for due lanes', () => {
  test('opens the lanes that it finds', async () => {
    const { reader, asked, opened, row, settled } = scene()
    reader.lookNow()
    await settled()
    asked[0]?.([row('shop/1')])
    await settled()
    expect(opened).toEqual(['shop/1'])
  })

  test.each([
    ['came into memory', false],
    ['came into memory and left it', true],
  ])('leaves out a lane that %s meanwhile, whose row may be another by now, and looks again', async (_, leaves) => {
    const { reader, table, asked, opened, row, settled } = scene()
    reader.lookNow()
    await settled()
    const lane = table.add('shop/1', assignment, 'stored', 0)
    if (leaves) table.remove(lane)
    asked[0]?.([row('shop/1'), row('shop/2')])
    await settled()
    expect(opened).toEqual(['shop/2'])
    expect(asked).toHaveLength(2)
    asked[1]?.([row('shop/1')])
    await settled()
    expect(opened).toEqual(leaves ? ['shop/2', 'shop/1'] : ['shop/2'])
  })
})
