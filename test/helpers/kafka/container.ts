import { existsSync } from 'node:fs'
import type { KafkaVariant, OwnKafka } from '../kafka.ts'
import { freePorts, listening } from './ports.ts'
import { brokerSettings } from './settings.ts'

/** The official image; what stands in for it where no registry of images can be reached has the same name. */
const IMAGE = 'apache/kafka:4.1.0'

/** A broker in Docker; a sentence if there is no Docker here. */
export async function containerKafka(variant: KafkaVariant): Promise<OwnKafka | string> {
  // Looking for Docker costs seconds; where it has left no trace there is none.
  if (!process.env.DOCKER_HOST && !existsSync('/var/run/docker.sock')) return 'no Docker'
  const { GenericContainer, getContainerRuntimeClient } = await import('testcontainers')
  const runtime = await getContainerRuntimeClient().catch(() => null)
  if (!runtime) return 'no Docker'

  const [port = 0] = await freePorts(1)
  const settings = brokerSettings({ port, controllerPort: 9093, bind: '0.0.0.0', logDir: '/tmp/kafka-logs', variant })
  const environment = Object.fromEntries(
    Object.entries(settings).map(([key, value]) => [`KAFKA_${key.toUpperCase().replaceAll('.', '_')}`, value]),
  )
  const further = (variant.listeners ?? []).map(listener => listener.port)
  try {
    const container = await new GenericContainer(IMAGE)
      .withEnvironment({ ...environment, KAFKA_HEAP_OPTS: '-Xmx320m', CLUSTER_ID: 'b3JkZXJ3aXJlLXRlc3RzMA' })
      .withExposedPorts(...[port, ...further].map(each => ({ container: each, host: each })))
      .withStartupTimeout(180_000)
      .start()
    const handle = runtime.container.getById(container.getId())
    const start = async () => {
      await handle.start()
      await listening(port, 60_000, () => null)
    }
    return {
      brokers: `127.0.0.1:${port}`,
      port,
      from: 'docker',
      start,
      kill: async () => void (await handle.kill()),
      freeze: async () => void (await handle.pause()),
      thaw: async () => void (await handle.unpause()),
      stop: async () => void (await container.stop()),
    }
  } catch (error) {
    return `Docker could not run ${IMAGE} (${String(error).split('\n')[0]})`
  }
}
