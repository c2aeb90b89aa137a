import { AppError, messageOf } from '../lib/errors.ts'
import type { CommandContext, Flags } from './command.ts'
import { query } from './listing.ts'

/** The live events as they come, parsed, until Ctrl-C. The text is the event's own JSON, byte for byte. */
export async function* followEvents(
  context: Pick<CommandContext, 'client' | 'signal'>,
  filter: Flags,
): AsyncGenerator<unknown> {
  for await (const text of followEventTexts(context, filter)) yield JSON.parse(text)
}

export async function* followEventTexts(
  { client, signal }: Pick<CommandContext, 'client' | 'signal'>,
  filter: Flags,
): AsyncGenerator<string> {
  try {
    const path = `/v1/events/stream${query(filter)}`
    yield* serverSentData(await client.open(path, { type: 'text/event-stream', signal }))
    if (signal.aborted) return
  } catch (error) {
    // Ctrl-C is how following ends.
    if (signal.aborted) return
    if (error instanceof AppError) throw error
    throw ended(client.target, messageOf(error), error)
  }
  throw ended(client.target, 'without a reason', undefined)
}

const ended = (target: string, why: string, cause: unknown): AppError =>
  new AppError(`${target} ended the stream (${why}); check that it runs, and try again.`, {
    code: 'cli.unreachable',
    intent: 'retry',
    cause,
  })

/** The data of server-sent events, as they come. */
async function* serverSentData(stream: ReadableStream<Uint8Array>): AsyncGenerator<string> {
  let text = ''
  for await (const chunk of stream.pipeThrough(new TextDecoderStream())) {
    text += chunk
    for (let end = text.indexOf('\n\n'); end >= 0; end = text.indexOf('\n\n')) {
      const lines = text.slice(0, end).split('\n')
      text = text.slice(end + 2)
      const data = lines.filter(line => line.startsWith('data:')).map(line => line.slice(5).trimStart())
      if (data.length > 0) yield data.join('\n')
    }
  }
}
