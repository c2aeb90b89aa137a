import type { Plan } from './plan.ts'
import type { RunResult } from './run.ts'
import { TROUBLES } from './strikes.ts'

type Change = Partial<Plan>

/** Ways to make a plan smaller, the most telling first. */
function* smaller(plan: Plan): Generator<Change> {
  for (const trouble of TROUBLES) if (!plan.without.includes(trouble)) yield { without: [...plan.without, trouble] }
  if (plan.mishapEvery > 0) yield { mishapEvery: 0 }
  if (plan.jumps) yield { jumps: false }
  if (plan.wire) yield { wire: false }
  if (plan.slowRecords) yield { slowRecords: false }
  for (const kind of plan.vendors)
    if (plan.vendors.length > 1) yield { vendors: plan.vendors.filter(one => one !== kind) }
  if (plan.receivers > 1) yield { receivers: plan.receivers - 1 }
  if (plan.mode === 'cluster' && plan.processes > 1) yield { processes: plan.processes - 1 }
  if (plan.partitions > 1) yield { partitions: 1 }
  if (plan.mostOrders > 2) yield { mostOrders: 2 }
  if (plan.wildness > 0.2) yield { wildness: 0.2 }
  if (plan.stormMs > 5_000) yield { stormMs: Math.round(plan.stormMs / 2) }
}

/** Smaller plans of the same seed that fail as well, step by step until none of the next ones does. Returns what they change. */
export async function shrink(
  failed: RunResult,
  run: (plan: Change) => Promise<RunResult>,
  most = 120,
): Promise<{ readonly change: Change; readonly result: RunResult }> {
  let smallest: { change: Change; result: RunResult } = { change: {}, result: failed }
  let tries = 0
  for (let again = true; again; ) {
    again = false
    for (const step of smaller(smallest.result.plan)) {
      if (tries++ >= most) return smallest
      const change = { ...smallest.change, ...step }
      const result = await run(change)
      if (result.violations.length === 0) continue
      smallest = { change, result }
      again = true
      break
    }
  }
  return smallest
}
