import { expect, test } from 'vitest'
import { killAgain } from '../torture/solo.ts'

/** Each costs a start of the program. `npm run torture` kills more often, and the simulation crashes at every step. */
const KILLS = 5

test(`killed ${KILLS} times under load: no fact is lost, none is said twice, and every subscriber gets each order's events in sequence`, async () => {
  const said: string[] = []
  const verdict = await killAgain({ kills: KILLS, seed: 7, patienceMs: 60_000, say: text => said.push(text) })
  expect(verdict, said.join('\n')).toMatchObject({ lost: [], invented: [], doubled: [], deaths: [] })
  expect(verdict.subscribers, said.join('\n')).toMatchObject([
    { missing: 0, inversions: [] },
    { missing: 0, inversions: [] },
  ])
  expect(verdict.events).toBeGreaterThan(40)
}, 240_000)
