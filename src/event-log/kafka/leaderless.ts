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
 * kafkajs refuses the whole answer about a topic while one of its partitions has no leader (a broker that is away and held the only
 * copy), so nothing could be written to or read from the others. With this, such a partition has the leader -1 and the others work.
 * If the internals are not as known here they are left alone, and a test says so.
 */
export function bearLeaderlessPartitions(): void {
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
