import { createRequire } from 'node:module'

interface Metadata {
  readonly topicMetadata: readonly { readonly partitionMetadata: { partitionErrorCode: number }[] }[]
}
interface ResponseOf {
  parse?: (data: Metadata) => Promise<Metadata>
}

const LEADER_NOT_AVAILABLE = 5
const VERSIONS = [0, 1, 2, 3, 4, 5, 6]

/**
 * Lets the other partitions of a topic work while one has no leader, e.g. because the broker with its only copy is down. kafkajs rejects
 * the metadata of the whole topic then; with this patch such a partition has the leader -1. If the internals of kafkajs differ, nothing
 * is patched, and a test fails.
 */
export function tolerateLeaderlessPartitions(): void {
  const require = createRequire(import.meta.url)
  for (const version of VERSIONS) {
    let response: ResponseOf | undefined
    try {
      response = require(`kafkajs/src/protocol/requests/metadata/v${version}/response`)
    } catch {
      return
    }
    const parse = response?.parse
    if (!response || typeof parse !== 'function') return
    response.parse = async data => {
      for (const { partitionMetadata } of data.topicMetadata)
        for (const partition of partitionMetadata)
          if (partition.partitionErrorCode === LEADER_NOT_AVAILABLE) partition.partitionErrorCode = 0
      return parse(data)
    }
  }
}
