import { once } from 'node:events'
import { connect, createServer, type Socket } from 'node:net'

const PRODUCE = 0

export interface KafkaProxy {
  readonly port: number
  /** From now on to this broker. */
  target(port: number): void
  /** While true, events are written but their acknowledgements never arrive: the connection breaks instead. */
  loseAcknowledgements(lose: boolean): void
  /** From now on the answers about this partition say this error of Kafka; null: what the broker says. */
  refuse(partition: number, errorCode: number | null): void
  close(): Promise<void>
}

/** Stands between a client and a broker that advertises the proxy's port. */
export async function kafkaProxy(): Promise<KafkaProxy> {
  let target = 0
  let losing = false
  const refused = new Map<number, number>()
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
      const produced = produces.delete(frame.readInt32BE(4))
      if (produced && losing) client.destroy()
      else client.write(produced ? withErrors(frame, refused) : frame)
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
    refuse: (partition, errorCode) => {
      if (errorCode === null) refused.delete(partition)
      else refused.set(partition, errorCode)
    },
    close: async () => {
      for (const socket of sockets) socket.destroy()
      await new Promise(resolve => server.close(resolve))
    },
  }
}

/** Bytes of one partition in an answer to a produce request of version 5 to 7, which is what kafkajs sends. */
const PARTITION_BYTES = 4 + 2 + 8 + 8 + 8

/** The answer to a produce request with other errors for some partitions. */
function withErrors(frame: Buffer, errors: ReadonlyMap<number, number>): Buffer {
  if (errors.size === 0) return frame
  const changed = Buffer.from(frame)
  let at = 8
  const topics = changed.readInt32BE(at)
  at += 4
  for (let topic = 0; topic < topics; topic++) {
    at += 2 + changed.readInt16BE(at)
    const partitions = changed.readInt32BE(at)
    at += 4
    for (let n = 0; n < partitions; n++, at += PARTITION_BYTES) {
      const code = errors.get(changed.readInt32BE(at))
      if (code !== undefined) changed.writeInt16BE(code, at + 4)
    }
  }
  return changed
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
