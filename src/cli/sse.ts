/** The events of a server-sent event stream, as they come. */
export async function* serverSentEvents(stream: ReadableStream<Uint8Array>): AsyncGenerator<{ data: string }> {
  let text = ''
  for await (const chunk of stream.pipeThrough(new TextDecoderStream())) {
    text += chunk
    for (let end = text.indexOf('\n\n'); end >= 0; end = text.indexOf('\n\n')) {
      const lines = text.slice(0, end).split('\n')
      text = text.slice(end + 2)
      const data = lines.filter(line => line.startsWith('data:')).map(line => line.slice(5).trimStart())
      if (data.length > 0) yield { data: data.join('\n') }
    }
  }
}
