import { createServer } from 'node:net'

/**
 * A receiver that costs as little as possible, in a process of its own: it counts the requests in what arrives, and answers 204 to each.
 * Sends its port to its parent, and ends with it.
 */
const ANSWER = 'HTTP/1.1 204 No Content\r\n\r\n'

const server = createServer(socket => {
  socket.setNoDelay(true)
  let head = ''
  /** Bytes of a body that are still to come. */
  let left = 0
  socket.on('data', chunk => {
    let answers = ''
    let at = 0
    while (at < chunk.length) {
      if (left > 0) {
        const taken = Math.min(left, chunk.length - at)
        left -= taken
        at += taken
        if (left === 0) answers += ANSWER
        continue
      }
      const end = chunk.indexOf('\r\n\r\n', at)
      head += chunk.toString('latin1', at, end < 0 ? chunk.length : end)
      if (end < 0) break
      at = end + 4
      left = Number(/content-length: (\d+)/i.exec(head)?.[1] ?? 0)
      head = ''
      if (left === 0) answers += ANSWER
    }
    if (answers !== '') socket.write(answers)
  })
  socket.on('error', () => {})
})
server.listen(0, '127.0.0.1', () => {
  const address = server.address()
  process.send?.(typeof address === 'object' ? address?.port : null)
})
process.on('disconnect', () => process.exit())
