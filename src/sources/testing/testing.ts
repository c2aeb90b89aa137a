import { failureChecks } from './failure-checks.ts'
import { feedChecks } from './feed-checks.ts'
import { orderChecks } from './order-checks.ts'
import type { SourceCheck, SourceTest } from './simulated-vendor.ts'
import { webhookChecks } from './webhook-checks.ts'

/**
 * `orderwire/testing`: the tests that every source has to pass, ours and yours. They run on a simulated vendor that you write, with
 * any test runner, or without one.
 */

export type {
  OrderFact,
  SignedRequest,
  SimulatedFailure,
  SimulatedOrder,
  SimulatedVendor,
  SourceCheck,
  SourceTest,
} from './simulated-vendor.ts'

/** The checks by name. Each `run` resolves, or rejects with what the source does wrong. */
export const sourceChecks = (options: SourceTest): readonly SourceCheck[] => [
  ...failureChecks(options),
  ...feedChecks(options),
  ...orderChecks(options),
  ...webhookChecks(options),
]

/**
 * Hands each check to a test runner: `testSource({ test, source, open, proves })` with the `test` of `node:test`, of vitest, or of any
 * other that takes a name and a function.
 */
export function testSource({
  test,
  ...options
}: SourceTest & { readonly test: (name: string, run: () => Promise<void>) => unknown }): void {
  for (const { name, run } of sourceChecks(options)) void test(`a source of ${options.source.vendor} ${name}`, run)
}
