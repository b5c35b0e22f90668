/**
 * Goal: messages come out as they went in, however the network cuts them, and whatever else comes is a typed error with
 * bounded memory. Method: frames written by hand (RFC 6455, section 5.2), cut at random; rubbish; a real `ws` server.
 */
import { GodwitError } from '@godwit/protocol'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { FrameReader } from './frame-reader.ts'
import { FrameWriter, HEADER_ROOM } from './frame-writer.ts'
import { dialBulk, listen } from './sockets.ts'

const MAX_BYTES = 70_000

function framed(payload: Uint8Array): Buffer {
  const { length } = payload
  if (length < 126) return Buffer.concat([Buffer.from([0x82, length]), payload])
  const header = Buffer.alloc(length < 65536 ? 4 : 10)
  header[0] = 0x82
  header[1] = length < 65536 ? 126 : 127
  if (length < 65536) header.writeUInt16BE(length, 2)
  else header.writeBigUInt64BE(BigInt(length), 2)
  return Buffer.concat([header, payload])
}

/** Feeds `bytes` in pieces of the given sizes, over and over. */
function feed(reader: FrameReader, bytes: Buffer, pieces: readonly number[]): void {
  for (let at = 0, piece = 0; at < bytes.length; piece++) {
    const { space } = reader
    expect(space.length).toBeGreaterThan(0)
    const copied = bytes.copy(space, 0, at, at + (pieces[piece % pieces.length] as number))
    reader.wrote(copied)
    at += copied
  }
}

const messages = fc.array(
  fc.oneof(
    fc.integer({ min: 0, max: 130 }),
    fc.integer({ min: 65_000, max: MAX_BYTES }),
    fc.integer({ min: 0, max: MAX_BYTES }),
  ),
  { maxLength: 20 },
)
const cuts = fc.array(fc.oneof(fc.integer({ min: 1, max: 40 }), fc.integer({ min: 1000, max: 200_000 })), {
  minLength: 1,
  maxLength: 8,
})

test('messages come out whole and in order, however they were cut', () => {
  fc.assert(
    fc.property(messages, cuts, fc.integer(), (lengths, pieces, seed) => {
      // Pieces of a few bytes on long streams take a while and show nothing that shorter ones don't.
      const size = lengths.reduce((sum, length) => sum + length, 0)
      const smallest = Math.max(1, Math.floor(size / 5000))
      const sent = lengths.map((length, index) =>
        Buffer.from(Array.from({ length }, (_, at) => (seed + index * 31 + at * 7) & 255)),
      )
      const received: Buffer[] = []
      const reader = new FrameReader(MAX_BYTES, (bytes) => received.push(Buffer.from(bytes)))
      feed(
        reader,
        Buffer.concat(sent.map(framed)),
        pieces.map((piece) => Math.max(piece, smallest)),
      )
      expect(received.length).toBe(sent.length)
      for (const [index, bytes] of sent.entries()) expect(received[index]?.equals(bytes)).toBe(true)
    }),
    { numRuns: 60 },
  )
})

test('rubbish is a typed error', () => {
  const reject = (bytes: number[]): string => {
    const reader = new FrameReader(MAX_BYTES, () => {})
    try {
      feed(reader, Buffer.from(bytes), [bytes.length])
    } catch (error) {
      return (error as GodwitError).kind
    }
    return 'accepted'
  }
  expect(reject([0x82, 1, 7])).toBe('accepted')
  expect(reject([0x81, 1, 7])).toBe('bad-frame') // text
  expect(reject([0x02, 1, 7])).toBe('bad-frame') // a fragment
  expect(reject([0xc2, 1, 7])).toBe('bad-frame') // an extension's bit
  expect(reject([0x82, 0x81, 0, 0, 0, 0, 7])).toBe('bad-frame') // masked
  expect(reject([0x82, 127, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff])).toBe('too-large')
  expect(reject([0x82, 127, 0, 0, 0, 0, 0, 2, 0, 0])).toBe('too-large')
  fc.assert(
    fc.property(fc.uint8Array({ minLength: 1, maxLength: 300 }), (bytes) => {
      const reader = new FrameReader(200, () => {})
      try {
        feed(reader, Buffer.from(bytes), [7])
      } catch (error) {
        expect(error).toBeInstanceOf(GodwitError)
      }
    }),
  )
})

test.each(['ws', 'FrameWriter'])(
  'a bulk stream that %s writes is read from its first message on',
  async (writer) => {
    const sizes = [0, 1, 125, 126, 65_535, 65_536, MAX_BYTES]
    const listener = await listen({
      at: { host: '127.0.0.1', ports: [0] },
      connected: (socket) => {
        const frames = new FrameWriter(socket)
        socket.on('message', () => {
          for (let time = 0; time < 20; time++) {
            for (const size of sizes) {
              if (writer === 'ws') socket.send(Buffer.alloc(size, size & 255), { binary: true })
              else frames.send(Buffer.alloc(HEADER_ROOM + size, size & 255))
            }
          }
        })
      },
    })
    const received: number[] = []
    let failure: unknown
    const closed = await new Promise<boolean>((resolve) => {
      void dialBulk({ host: '127.0.0.1', port: listener.port, path: '/bulk' }, MAX_BYTES, {
        message: (bytes) => {
          if (bytes.some((byte) => byte !== (bytes.length & 255))) throw new Error('other bytes came')
          received.push(bytes.length)
          if (received.length === 20 * sizes.length) void listener.close()
        },
        failed: (error) => {
          failure = error
        },
      }).then((socket) => {
        socket.on('close', () => resolve(true))
        socket.send('go')
        socket.resume()
      })
    })
    expect([closed, failure]).toEqual([true, undefined])
    expect(received).toEqual(Array.from({ length: 20 }, () => sizes).flat())
  },
)

test('a bulk stream that is none ends its connection with a typed error', async () => {
  const listener = await listen({
    at: { host: '127.0.0.1', ports: [0] },
    connected: (socket) => socket.on('message', () => socket.send('text')),
  })
  const failure = await new Promise<unknown>((resolve) => {
    void dialBulk({ host: '127.0.0.1', port: listener.port, path: '/bulk' }, MAX_BYTES, {
      message: () => {},
      failed: resolve,
    }).then((socket) => {
      socket.send('go')
      socket.resume()
    })
  })
  expect(failure).toMatchObject({ kind: 'bad-frame' })
  await listener.close()
})

test('a piece that is sent too late is given back', async () => {
  let writer: FrameWriter | undefined
  const listener = await listen({
    at: { host: '127.0.0.1', ports: [0] },
    connected: (socket) => {
      writer = new FrameWriter(socket)
      socket.terminate()
    },
  })
  const socket = await dialBulk({ host: '127.0.0.1', port: listener.port, path: '/bulk' }, MAX_BYTES, {
    message: () => {},
    failed: () => {},
  })
  const closed = new Promise((resolve) => socket.once('close', resolve))
  socket.resume()
  await closed
  await new Promise<void>((resolve) => writer?.send(Buffer.alloc(HEADER_ROOM + 1), resolve))
  await listener.close()
})

test('a bulk stream that nobody serves is unreachable', async () => {
  const nobody = { message: () => {}, failed: () => {} }
  await expect(
    dialBulk({ host: '127.0.0.1', port: 1, path: '/bulk' }, MAX_BYTES, nobody),
  ).rejects.toMatchObject({
    kind: 'unreachable',
  })
})
