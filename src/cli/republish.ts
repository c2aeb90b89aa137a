import { Republished, Unpublished } from '../../schemas/api.ts'
import type { Clock } from '../lib/clock.ts'
import { AppError } from '../lib/errors.ts'
import { type CommandContext, type Flags, usage } from './commands.ts'

const LOOK_EVERY_MS = 500
/** Without progress for this long nobody publishes: Kafka is away, or no process works the connection. */
const PATIENCE_MS = 60_000

/** Past events into the event log again; resolves when the log has them. */
export async function republish(
  { client, output, progress, signal }: CommandContext,
  flags: Flags,
  clock: Clock,
): Promise<void> {
  const { since, until, connection } = flags
  if (since === undefined) throw usage('republish: say since when with --since, for example --since 2d')
  const waiting = async (): Promise<number> => {
    const { waiting } = client.read(Unpublished, await client.call('GET', '/v1/events/republish'))
    const asked = waiting.filter(one => !Array.isArray(connection) || connection.includes(one.connection))
    return asked.reduce((sum, { events }) => sum + events, 0)
  }

  progress('looking through the history …')
  let answered = false
  const asking = client.call('POST', '/v1/events/republish', { since, until, connection })
  asking.then(
    () => (answered = true),
    () => (answered = true),
  )
  // Without a server this process publishes, and answers when it has.
  let left = 0
  let movedAt = clock.monotonic()
  while (!signal.aborted) {
    await clock.sleep(LOOK_EVERY_MS, signal)
    const before = left
    left = await waiting()
    if (left !== before) {
      movedAt = clock.monotonic()
      if (left > 0) progress(`${left} events wait to be appended …`)
    }
    if (answered && (left === 0 || clock.monotonic() - movedAt > PATIENCE_MS)) break
  }
  const answer = client.read(Republished, await asking)
  if (answer.note !== undefined) return output.item(answer, answer.note)
  if (left > 0 && !signal.aborted)
    throw new AppError(
      `${answer.republished} events are to be appended, but nothing moves: ${left} still wait. They are appended when a process that works the connection reaches Kafka; see /readyz.`,
      { code: 'cli.refused', intent: 'retry' },
    )
  output.item(answer, `${answer.republished} events appended to the event log again, each order in sequence`)
}
