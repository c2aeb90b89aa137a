import { once } from 'node:events'
import { connect, createServer, type Socket } from 'node:net'

const PRODUCE = 0

export interface KafkaProxy {
  readonly port: number
  /** From now on to this broker. */
  target(port: number): void
  /** While true, events are written but their acknowledgements never arrive: the connection breaks instead. */
  loseAcknowledgements(lose: boolean): void
  close(): Promise<void>
}

/** Stands between a client and a broker that advertises the proxy's port. */
export async function kafkaProxy(): Promise<KafkaProxy> {
  let target = 0
  let losing = false
  const sockets = new Set<Socket>()

  const server = createServer(client => {
    const broker = connect({ host: '127.0.0.1', port: target })
    const produces = new Set<number>()
    for (const [from, to] of [
      [client, broker],
      [broker, client],
    ] as const) {
      sockets.add(from)
      from.on('error', () => {})
      from.on('close', () => {
        sockets.delete(from)
        to.destroy()
      })
    }
    onFrames(client, frame => {
      if (frame.readInt16BE(4) === PRODUCE) produces.add(frame.readInt32BE(8))
      broker.write(frame)
    })
    onFrames(broker, frame => {
      if (produces.delete(frame.readInt32BE(4)) && losing) client.destroy()
      else client.write(frame)
    })
  }).listen(0, '127.0.0.1')
  await once(server, 'listening')
  const address = server.address()

  return {
    port: address && typeof address === 'object' ? address.port : 0,
    target: port => {
      target = port
    },
    loseAcknowledgements: lose => {
      losing = lose
    },
    close: async () => {
      for (const socket of sockets) socket.destroy()
      await new Promise(resolve => server.close(resolve))
    },
  }
}

/** Whole messages of Kafka's protocol, length included. */
function onFrames(socket: Socket, take: (frame: Buffer) => void): void {
  let rest: Buffer = Buffer.alloc(0)
  socket.on('data', chunk => {
    rest = Buffer.concat([rest, typeof chunk === 'string' ? Buffer.from(chunk) : chunk])
    while (rest.length >= 4 && rest.length >= 4 + rest.readInt32BE(0)) {
      const end = 4 + rest.readInt32BE(0)
      take(rest.subarray(0, end))
      rest = rest.subarray(end)
    }
  })
}
