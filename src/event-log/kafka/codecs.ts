import { promisify } from 'node:util'
import { zstdCompress, zstdDecompress } from 'node:zlib'
import { AppError } from '../../lib/errors.ts'

/**
 * Reads batches that a broker or another producer compressed. We write plain or gzip. Snappy and LZ4 are decoded here, because their
 * formats are small and no maintained package without native code exists for them.
 */
interface Codec {
  compress(encoder: { buffer: Buffer }): Promise<Buffer>
  decompress(buffer: Buffer): Promise<Buffer>
}

const cannotWrite = (name: string) => async () => {
  throw new AppError(`Events are not written with ${name}.`, { code: 'kafka.codec', intent: 'fix' })
}

const damaged = (name: string) =>
  new AppError(`A batch in the topic is not valid ${name}.`, { code: 'kafka.codec', intent: 'skip' })

const [deflate, inflate] = [promisify(zstdCompress), promisify(zstdDecompress)]

export const zstd: Codec = { compress: encoder => deflate(encoder.buffer), decompress: buffer => inflate(buffer) }

/** Java's framing of Snappy: this, version and compatibility (4 bytes each), then blocks behind their length. */
const XERIAL = Buffer.from([0x82, 0x53, 0x4e, 0x41, 0x50, 0x50, 0x59, 0x00])

export const snappy: Codec = {
  compress: cannotWrite('Snappy'),
  decompress: async buffer => {
    if (!buffer.subarray(0, 8).equals(XERIAL)) return snappyBlock(buffer)
    const blocks: Buffer[] = []
    for (let at = 16; at + 4 <= buffer.length; ) {
      const length = buffer.readUInt32BE(at)
      blocks.push(snappyBlock(buffer.subarray(at + 4, at + 4 + length)))
      at += 4 + length
    }
    return Buffer.concat(blocks)
  },
}

function snappyBlock(input: Buffer): Buffer {
  let at = 0
  let size = 0
  for (let shift = 0; ; shift += 7) {
    const byte = input.readUInt8(at++)
    size += (byte & 0x7f) * 2 ** shift
    if (byte < 0x80) break
  }
  const output = Buffer.alloc(size)
  let end = 0
  while (at < input.length) {
    const tag = input.readUInt8(at++)
    if ((tag & 3) === 0) {
      let length = (tag >> 2) + 1
      if (length > 60) {
        const bytes = length - 60
        length = input.readUIntLE(at, bytes) + 1
        at += bytes
      }
      input.copy(output, end, at, at + length)
      at += length
      end += length
      continue
    }
    let length = (tag >> 2) + 1
    let distance: number
    if ((tag & 3) === 1) {
      length = ((tag >> 2) & 7) + 4
      distance = ((tag >> 5) << 8) | input.readUInt8(at)
      at += 1
    } else if ((tag & 3) === 2) {
      distance = input.readUInt16LE(at)
      at += 2
    } else {
      distance = input.readUInt32LE(at)
      at += 4
    }
    end = repeat(output, end, distance, length, 'Snappy')
  }
  if (end !== size) throw damaged('Snappy')
  return output
}

const LZ4_MAGIC = 0x184d2204

export const lz4: Codec = {
  compress: cannotWrite('LZ4'),
  decompress: async buffer => {
    if (buffer.readUInt32LE(0) !== LZ4_MAGIC) throw damaged('LZ4')
    const flags = buffer.readUInt8(4)
    const [blockChecksums, contentSize, dictionary] = [flags & 0x10, flags & 0x08, flags & 0x01]
    const largest = 2 ** (8 + 2 * ((buffer.readUInt8(5) >> 4) & 7))
    let at = 7 + (contentSize ? 8 : 0) + (dictionary ? 4 : 0)
    let output = Buffer.alloc(largest)
    let end = 0
    for (;;) {
      const header = buffer.readUInt32LE(at)
      at += 4
      if (header === 0) return output.subarray(0, end)
      const size = header & 0x7fffffff
      // Blocks may refer to earlier ones, so they share one buffer.
      if (output.length - end < largest) output = Buffer.concat([output, Buffer.alloc(output.length + largest)])
      const block = buffer.subarray(at, at + size)
      if (header >>> 31) end += block.copy(output, end)
      else end = lz4Block(block, output, end)
      at += size + (blockChecksums ? 4 : 0)
    }
  },
}

function lz4Block(input: Buffer, output: Buffer, from: number): number {
  let at = 0
  let end = from
  const extended = (length: number) => {
    if (length < 15) return length
    let total = length
    for (let byte = 255; byte === 255; total += byte) byte = input.readUInt8(at++)
    return total
  }
  while (at < input.length) {
    const token = input.readUInt8(at++)
    const literals = extended(token >> 4)
    input.copy(output, end, at, at + literals)
    at += literals
    end += literals
    if (at >= input.length) break
    const distance = input.readUInt16LE(at)
    at += 2
    end = repeat(output, end, distance, extended(token & 15) + 4, 'LZ4')
  }
  return end
}

/** Copies `length` bytes from `distance` before the end; they may overlap. Returns the new end. */
function repeat(output: Buffer, end: number, distance: number, length: number, name: string): number {
  const from = end - distance
  if (distance === 0 || from < 0 || end + length > output.length) throw damaged(name)
  if (distance >= length) output.copy(output, end, from, from + length)
  else for (let index = 0; index < length; index++) output[end + index] = output[from + index] ?? 0
  return end + length
}
