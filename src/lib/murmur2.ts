const SEED = 0x9747b28c
const M = 0x5bd1e995
const ENCODER = new TextEncoder()

/** MurmurHash2, 32 bit, as Kafka's clients compute it for a record's key. Signed. */
export function murmur2(data: Uint8Array): number {
  const { length } = data
  const words = length >> 2
  let hash = SEED ^ length
  for (let word = 0; word < words; word++) {
    const at = word << 2
    let k = byte(data, at) | (byte(data, at + 1) << 8) | (byte(data, at + 2) << 16) | (byte(data, at + 3) << 24)
    k = Math.imul(k, M)
    k ^= k >>> 24
    k = Math.imul(k, M)
    hash = Math.imul(hash, M) ^ k
  }
  const rest = words << 2
  const left = length - rest
  if (left === 3) hash ^= byte(data, rest + 2) << 16
  if (left >= 2) hash ^= byte(data, rest + 1) << 8
  if (left >= 1) {
    hash ^= byte(data, rest)
    hash = Math.imul(hash, M)
  }
  hash ^= hash >>> 13
  hash = Math.imul(hash, M)
  hash ^= hash >>> 15
  return hash | 0
}

const byte = (data: Uint8Array, index: number): number => data[index] ?? 0

/** What Kafka spreads keys by: partition = `keyHash(key) % partitions`. In [0, 2³¹). */
export const keyHash = (key: string): number => murmur2(ENCODER.encode(key)) & 0x7fffffff

/** Where Java's default partitioner puts a key, so that every producer and consumer of the topic agrees. */
export const partitionFor = (key: string, partitions: number): number => keyHash(key) % partitions
