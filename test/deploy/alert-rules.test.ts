import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { parse } from 'yaml'
import { z } from 'zod'
import { createMetrics } from '../../src/telemetry/metrics.ts'
import { prometheusTools, promtool } from '../helpers/prometheus.ts'

/** deploy/prometheus-rules.yaml against the runbook, the metrics, and promtool. */

const root = join(import.meta.dirname, '../..')
const read = (path: string) => readFileSync(join(root, path), 'utf8')
const RULES = 'deploy/prometheus-rules.yaml'
const UNIT_TESTS = ['test/deploy/prometheus-rules.yaml', 'test/deploy/prometheus-rules-of-a-day.yaml']

const Rule = z.object({
  alert: z.string(),
  expr: z.string(),
  for: z.string().optional(),
  labels: z.object({ severity: z.enum(['critical', 'warning']) }),
  annotations: z.object({ summary: z.string(), description: z.string(), runbook: z.string() }),
})
const rules = z
  .object({ groups: z.array(z.object({ name: z.string(), rules: z.array(Rule) })) })
  .parse(parse(read(RULES)))
  .groups.flatMap(group => group.rules)

const Expectation = z.object({ expr: z.string(), exp_samples: z.array(z.unknown()).optional() })
const UnitTests = z.object({ tests: z.array(z.object({ promql_expr_test: z.array(Expectation) })) })

/** The kinds of the runbook's table, each with its anchor and severity. */
const kinds = read('docs/runbook.md')
  .split('\n')
  .filter(line => line.startsWith('| [`'))
  .flatMap(line => {
    const severity = line.split('|').at(-2)?.trim() ?? ''
    return [...line.matchAll(/\[`([\w.-]+)`\]\(#([\w-]+)\)/g)].map(([, kind = '', anchor = '']) => ({
      ...{ kind, anchor, severity },
    }))
  })

/** A rest shows as an event that waits; whoever stands by needs nobody. */
const WITHOUT_RULE = ['destination.resting', 'process.standby']
const tools = prometheusTools()

describe('the alert rules', () => {
  test('are one for each kind of the runbook that needs a person, with its section and its severity', () => {
    expect(kinds.length).toBeGreaterThan(15)
    const expected = kinds
      .filter(({ kind }) => !WITHOUT_RULE.includes(kind))
      .map(({ anchor, severity }) => [`docs/runbook.md#${anchor}`, severity])
    const others = 'docs/runbook.md#the-process'
    const named = rules.map(({ labels, annotations }) => [annotations.runbook, labels.severity])
    expect(named.filter(([section]) => section !== others).sort()).toEqual(expected.sort())
  })

  test('that have no kind are named in the runbook, in the section they give', () => {
    const others = rules.filter(({ annotations }) => annotations.runbook === 'docs/runbook.md#the-process')
    const section = read('docs/runbook.md').split('\n## The process\n')[1]?.split('\n### ')[0] ?? ''
    expect([...section.matchAll(/`(Orderwire\w+)`/g)].map(([, name]) => name).sort()).toEqual(
      others.map(({ alert }) => alert).sort(),
    )
  })

  test('use metrics that there are', async () => {
    const metrics = new Set((await createMetrics().registry.getMetricsAsJSON()).map(({ name }) => name))
    const used = rules.flatMap(({ expr }) => [...expr.matchAll(/\borderwire_\w+/g)].map(([name]) => name))
    expect(used.filter(name => !metrics.has(name))).toEqual([])
  })

  test('have each a test in which it fires, and a moment in which it does not', () => {
    const files = UNIT_TESTS.map(path => UnitTests.parse(parse(read(path))))
    const cases = files.flatMap(({ tests }) => tests.flatMap(each => each.promql_expr_test))
    const of = (alert: string, fires: boolean) =>
      cases.filter(({ expr, exp_samples }) => expr.includes(`"${alert}"`) && (exp_samples !== undefined) === fires)
    for (const { alert } of rules)
      expect([alert, of(alert, true).length, of(alert, false).length]).toEqual([
        alert,
        expect.toSatisfy(count => count > 0),
        expect.toSatisfy(count => count > 0),
      ])
  })

  test.skipIf(tools === null)('pass their unit tests', async () => {
    const files = UNIT_TESTS.map(path => join(root, path))
    expect(await promtool(tools?.promtool ?? '', 'test', 'rules', ...files)).toContain('SUCCESS')
  })

  test.skipIf(tools === null)('are valid, and so is the example of a configuration', async () => {
    expect(await promtool(tools?.promtool ?? '', 'check', 'rules', join(root, RULES))).toContain('SUCCESS')
    const example = join(root, 'deploy/prometheus.yaml')
    expect(await promtool(tools?.promtool ?? '', 'check', 'config', '--syntax-only', example)).toContain('SUCCESS')
  })
})
