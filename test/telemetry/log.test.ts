import { describe, expect, test } from 'vitest'
import { visibleLine } from '../../src/lib/control-characters.ts'
import { createLog } from '../../src/telemetry/log.ts'

/** What a buyer may write as the reason of a cancellation. */
const FORGED = 'no\r\n[10:00:00] ERROR: all is lost\u0000 \u001b[2J\u001b[31m \u009b31m \u202e \u2028 end'

async function logged(format: 'pretty' | 'json', log: (log: Awaited<ReturnType<typeof createLog>>) => void) {
  let written = ''
  const stream = {
    write(text: string | Uint8Array) {
      written += text
      return true
    },
  }
  log(await createLog({ level: 'info', format, stream }))
  return written
}

const isOneCleanLine = (text: string) => text.endsWith('\n') && visibleLine(text.slice(0, -1)) === text.slice(0, -1)

describe.each(['pretty', 'json'] as const)('a %s log', format => {
  test.each([
    ['the message', (log: Awaited<ReturnType<typeof createLog>>) => log.info(FORGED)],
    ['a field', (log: Awaited<ReturnType<typeof createLog>>) => log.info({ reason: FORGED }, 'cancelled')],
    ['a field within a field', (log: Awaited<ReturnType<typeof createLog>>) => log.info({ a: { b: [FORGED] } }, 'x')],
    ['the name of a field', (log: Awaited<ReturnType<typeof createLog>>) => log.info({ [FORGED]: 1 }, 'x')],
    ['an error', (log: Awaited<ReturnType<typeof createLog>>) => log.error(new Error(FORGED))],
    ['an error in a field', (log: Awaited<ReturnType<typeof createLog>>) => log.error({ err: new Error(FORGED) }, 'x')],
  ])('is one line without control characters, whatever is in %s', async (_, log) => {
    const written = await logged(format, log)
    expect(written).toContain('all is lost')
    expect(written).toSatisfy(isOneCleanLine)
  })
})

test('a json log means what was logged', async () => {
  expect(JSON.parse(await logged('json', log => log.info({ reason: FORGED }, FORGED)))).toMatchObject({
    msg: FORGED,
    reason: FORGED,
  })
})

test('a pretty log shows the message, the level and the fields', async () => {
  expect(await logged('pretty', log => log.warn({ connection: 'shop' }, 'lost'))).toMatch(
    /^\[\d\d:\d\d:\d\d\] WARN: lost \{"connection":"shop"\}\n$/,
  )
})
