/**
 * Goal: what is small on the wire is not large in memory.
 * Method: messages and frames of the largest size that decode to as much as they can, one after the other; the process's greatest
 * resident size may grow by a bounded number of bytes. By itself in a process, since that figure never shrinks.
 */
import { crc32 } from 'node:zlib'
import { XorDecoder } from '@godwit/memory'
import {
  checkMessage,
  decodeFrame,
  decodeValue,
  encodePagesFrame,
  fromAgent,
  fromWorker,
  HEADER_BYTES,
  LIMITS,
  MAX_FRAME_BYTES,
  PAGE_BYTES,
  RUN_BYTES,
} from '@godwit/protocol'
import { expect, test } from 'vitest'
import { installPages } from '../../packages/worker/src/install.ts'
import { valueOrRefusal } from './fuzzing.ts'

const MiB = 2 ** 20
/** What a garbage collector has not got to yet is in it. */
const MOST_GROWTH_BYTES = 128 * MiB

function growth(body: () => void): number {
  const before = process.resourceUsage().maxRSS
  body()
  return (process.resourceUsage().maxRSS - before) * 1024
}

function arrayOf(item: readonly number[]): Buffer {
  const count = Math.floor((LIMITS.maxControlMessageBytes - 1000) / item.length)
  const head = Buffer.alloc(5, 0xdd)
  head.writeUInt32BE(count, 1)
  return Buffer.concat([head, Buffer.alloc(count * item.length, Buffer.from(item))])
}

const BOMBS: Record<string, readonly number[]> = {
  'empty maps': [0x80],
  'empty arrays': [0x90],
  'empty strings': [0xa0],
  'maps of a key': [0x81, 0xa0, 0xc0],
  'arrays in arrays': [0x91, 0x91, 0x91, 0xc0],
  'empty typed arrays': [0xd4, 0x74, 1],
  'typed arrays': [0xd5, 0x74, 1, 0],
  'small big integers': [0xc7, 1, 0x42, 1],
  'our zeros': [0xc7, 0, 1],
}

// Before there was a limit on containers a message of typed arrays took 0.7 s, and one of empty maps 0.5 s.
test.each(Object.keys(BOMBS))('a message full of %s', (name) => {
  const bytes = arrayOf(BOMBS[name] as number[])
  const grown = growth(() => {
    for (let times = 0; times < 5; times++) {
      // Refused for what it is, or for where it stands: a list where a message is due, and among the workers of a host.
      for (const schema of [fromAgent, fromWorker])
        expect(
          valueOrRefusal(() => checkMessage(schema, decodeValue(bytes)), ['bad-message', 'too-large']),
        ).toBeUndefined()
    }
  })
  expect(grown).toBeLessThan(MOST_GROWTH_BYTES)
})

test('a register whose workers are a million of nothing is refused without an error for each', () => {
  const head = Buffer.from('82a474797065a87265676973746572a7776f726b657273', 'hex')
  const bytes = Buffer.concat([head, arrayOf([0xa0])])
  expect(decodeValue(bytes)).toMatchObject({ type: 'register' })
  const grown = growth(() =>
    valueOrRefusal(() => checkMessage(fromAgent, decodeValue(bytes)), ['bad-message', 'too-large']),
  )
  expect(grown).toBeLessThan(MOST_GROWTH_BYTES)
})

/** An LZ4 block of one sequence: a literal, and a match of offset 1 that goes on for as long as its length bytes say. */
function lz4Bomb(lengthBytes: number): Buffer {
  return Buffer.concat([Buffer.of(0x1f, 0, 1, 0), Buffer.alloc(lengthBytes, 255), Buffer.of(0)])
}

test('LZ4 blocks that say they are gigabytes', () => {
  const pageCount = LIMITS.maxFramePages
  const arena = Buffer.alloc(pageCount * PAGE_BYTES, 1)
  const decoder = new XorDecoder()
  const grown = growth(() => {
    // From one that is a little too long to one that would be 16 MiB, and another 16 MiB for each plane.
    for (const lengthBytes of [10, 255, 256, 258, 300, 1000, 10_000, 60_000]) {
      const planes = Array.from({ length: 4 }, () => lz4Bomb(lengthBytes))
      const section = Buffer.concat([Buffer.alloc(16), ...planes])
      for (const [index, plane] of planes.entries()) section.writeUInt32LE(plane.length, index * 4)
      const into = Buffer.alloc(MAX_FRAME_BYTES)
      const none = encodePagesFrame(
        into,
        { version: 1, stream: 0, round: 0, sequence: 0 },
        { runs: [], image: arena },
      )
      const run = Buffer.alloc(RUN_BYTES)
      run.writeUInt32LE(pageCount, 4)
      run.writeUInt32LE(3, 8)
      const frame = Buffer.concat([none, run, section])
      frame.writeUInt8(2, 6)
      frame.writeUInt32LE(1, 16)
      frame.writeUInt32LE(section.length, 20)
      frame.writeUInt32LE(crc32(frame.subarray(HEADER_BYTES), crc32(frame.subarray(0, 28))), 28)
      const decoded = valueOrRefusal(() => decodeFrame(frame, pageCount, 1), ['bad-frame', 'too-large'])
      expect(decoded).toBeDefined()
      if (decoded === undefined) continue
      expect(() => installPages(decoded, arena, () => decoder)).toThrow(
        expect.objectContaining({ kind: 'bad-frame' }),
      )
      expect(arena.every((byte) => byte === 1)).toBe(true)
    }
  })
  expect(grown).toBeLessThan(64 * MiB)
})
