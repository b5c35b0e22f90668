/**
 * Goal: no bytes on a bulk stream write outside of the pages that they name, take memory by a length they claim, or end a worker.
 * Method: frames of every kind, changed and half of them sealed with a correct checksum, so that what is behind the checksum is
 * reached; installed in a small arena that is compared page by page. WebSocket framing is compared with a reader written here, simply.
 */
import { crc32 } from 'node:zlib'
import { FrameReader } from '@godwit/channel'
import { XorDecoder, XorEncoder } from '@godwit/memory'
import {
  decodeFrame,
  type EncodedRun,
  type ErrorKind,
  encodeDeltaFrame,
  encodePagesFrame,
  encodeRoundEnd,
  encodeXorFrame,
  GodwitError,
  HEADER_BYTES,
  isWorthXor,
  LIMITS,
  MAX_FRAME_BYTES,
  MAX_FRAME_PAYLOAD_BYTES,
  PAGE_BYTES,
  PLANE_PAGE_BYTES,
  XOR_PLANES,
} from '@godwit/protocol'
import fc from 'fast-check'
// A worker's own, and not for other rooms.
import { installPages } from '../../packages/worker/src/install.ts'
import { randomFrom } from './examples.ts'
import { checkRefusal, fuzz, valueOrRefusal } from './fuzzing.ts'
import { almost } from './mutations.ts'

const PAGES = 8
const header = { version: 1, stream: 0, round: 0, sequence: 0 }
const KINDS: readonly ErrorKind[] = [
  'bad-frame',
  'protocol-version',
  'too-large',
  'bad-checksum',
  'out-of-range',
]

/** Pages that differ from `base` in a few words: what xor is for. */
const base = Buffer.alloc(PAGES * PAGE_BYTES, 0x3c)
const image = Buffer.from(base)
const random = randomFrom(7)
for (let at = 0; at < image.length; at += 64 + random(900)) image.writeUInt8(random(256), at)

function pagesFrame(runs: readonly EncodedRun[]): Buffer {
  return Buffer.from(encodePagesFrame(Buffer.alloc(MAX_FRAME_BYTES), header, { runs, image }))
}

function xorFrame(runs: readonly EncodedRun[]): Buffer {
  const xored = runs.filter(({ encoding }) => encoding === 'xor')
  const pages = xored.reduce((sum, { pageCount }) => sum + pageCount, 0)
  const planes = new XorEncoder().encode(runs, { image, base: Buffer.from(base), effort: 'thorough' })
  if (!isWorthXor(planes, pages)) throw new Error('bug in a test: pages that are not worth it')
  return Buffer.from(encodeXorFrame(Buffer.alloc(MAX_FRAME_BYTES), header, { runs, image, planes }))
}

const xorFrames = [
  xorFrame([{ firstPage: 0, pageCount: 1, encoding: 'xor' }]),
  xorFrame([{ firstPage: 2, pageCount: 3, encoding: 'xor' }]),
  xorFrame([
    { firstPage: 0, pageCount: 1, encoding: 'raw' },
    { firstPage: 1, pageCount: 1, encoding: 'xor' },
    { firstPage: 3, pageCount: 2, encoding: 'zero' },
    { firstPage: 7, pageCount: 1, encoding: 'xor' },
  ]),
]
const frames = [
  pagesFrame([]),
  pagesFrame([{ firstPage: 0, pageCount: 1, encoding: 'raw' }]),
  pagesFrame([
    { firstPage: 0, pageCount: 8, encoding: 'zero' },
    { firstPage: 7, pageCount: 1, encoding: 'raw' },
    { firstPage: 2, pageCount: 2, encoding: 'zero' },
  ]),
  encodeRoundEnd(header),
  Buffer.from(
    encodeDeltaFrame(
      Buffer.alloc(MAX_FRAME_BYTES),
      { ...header, round: 1 },
      { byteOffset: 8, bytes: Buffer.alloc(100, 1) },
    ),
  ),
  ...xorFrames,
]

function seal(frame: Buffer): Buffer {
  if (frame.length < HEADER_BYTES) return frame
  frame.writeUInt32LE(crc32(frame.subarray(HEADER_BYTES), crc32(frame.subarray(0, 28))), 28)
  return frame
}

fuzz(
  'decodeFrame: a frame whose parts are those of its header and lie in the arena, or a refusal',
  almost(frames, { hot: 80, seal }),
  (bytes) => {
    const frame = valueOrRefusal(() => decodeFrame(bytes, PAGES, 1), KINDS)
    if (frame === undefined || frame.kind === 'roundEnd') return
    if (frame.payload.length > bytes.length || frame.payload.buffer !== bytes.buffer)
      throw new Error('a payload that is not what was sent')
    if (frame.kind === 'delta') return
    if (frame.runs.length > LIMITS.maxFrameRuns) throw new Error('too many runs')
    let raw = 0
    let xor = 0
    for (const { firstPage, pageCount, encoding } of frame.runs) {
      if (pageCount < 1 || firstPage + pageCount > PAGES) throw new Error('a run outside of the arena')
      if (encoding === 'raw') raw += pageCount
      if (encoding === 'xor') xor += pageCount
    }
    if (raw * PAGE_BYTES !== frame.payload.length) throw new Error('raw runs and payload do not add up')
    if ((frame.planes !== undefined) !== xor > 0)
      throw new Error('planes without pages, or pages without planes')
    for (const plane of frame.planes ?? [])
      if (plane.length > xor * PLANE_PAGE_BYTES) throw new Error('a plane longer than its pages')
  },
)

const decoder = new XorDecoder()
const arena = Buffer.from(base)
fuzz(
  'installing a frame: pages that it names change, no other ones, or a refusal after which none has',
  // Behind the header, where the planes are.
  almost(xorFrames, { hot: 400, seal }).map((bytes) => seal(bytes)),
  (bytes) => {
    const frame = valueOrRefusal(() => decodeFrame(bytes, PAGES, 1), KINDS)
    if (frame?.kind !== 'pages') return
    const named = new Set<number>()
    for (const { firstPage, pageCount } of frame.runs)
      for (let page = firstPage; page < firstPage + pageCount; page++) named.add(page)
    let isInstalled = true
    try {
      installPages(frame, arena, () => decoder)
    } catch (error) {
      checkRefusal(error, ['bad-frame'])
      isInstalled = false
    }
    const xored = frame.runs.filter(({ encoding }) => encoding === 'xor')
    for (let page = 0; page < PAGES; page++) {
      const [from, to] = [page * PAGE_BYTES, (page + 1) * PAGE_BYTES]
      if (arena.compare(base, from, to, from, to) === 0) continue
      const isXor = xored.some(
        ({ firstPage, pageCount }) => page >= firstPage && page < firstPage + pageCount,
      )
      if (!named.has(page) || (isXor && !isInstalled)) throw new Error(`page ${page} was written`)
      base.copy(arena, from, from, to)
    }
  },
)

fuzz(
  'XorDecoder: planes of any bytes and lengths',
  fc.tuple(
    fc.array(fc.uint8Array({ maxLength: 60 }), { minLength: 3, maxLength: 5 }),
    fc.integer({ min: 1, max: 3 }),
  ),
  ([given, pageCount]) => {
    // As decodeFrame leaves them: none is longer than its pages.
    try {
      decoder.install([{ firstPage: 1, pageCount, encoding: 'xor' }], given, arena)
      if (given.length !== XOR_PLANES) throw new Error(`${given.length} planes were taken for four`)
    } catch (error) {
      if (!(error instanceof GodwitError)) throw error
      checkRefusal(error, ['bad-frame'])
    }
    base.copy(arena)
  },
)

const MOST = 300

function webSocketFrame(length: number, fill: number): Buffer {
  const head = length < 126 ? Buffer.of(0x82, length) : Buffer.of(0x82, 126, length >>> 8, length & 255)
  return Buffer.concat([head, Buffer.alloc(length, fill)])
}

const streams = [
  [0, 1, 125],
  [126, 0, 300, 2],
  [300, 300, 5, 127, 1, 1, 1],
].map((lengths) => Buffer.concat(lengths.map((length, index) => webSocketFrame(length, index + 1))))
streams.push(Buffer.concat([Buffer.of(0x82, 127, 0, 0, 0, 0, 0, 0, 0, 3, 1, 2, 3), webSocketFrame(20, 9)]))

/** All messages of a stream, and whether something followed that is refused. RFC 6455, section 5.2. */
function messagesIn(bytes: Buffer): { messages: string[]; isRefused: boolean } {
  const messages: string[] = []
  for (let at = 0; ; ) {
    const [first, second] = [bytes[at], bytes[at + 1]]
    if (first === undefined || second === undefined) return { messages, isRefused: false }
    if (first !== 0x82 || second >= 0x80) return { messages, isRefused: true }
    const lengthBytes = second === 127 ? 8 : second === 126 ? 2 : 0
    if (bytes.length < at + 2 + lengthBytes) return { messages, isRefused: false }
    const length =
      lengthBytes === 0 ? second : Number.parseInt(bytes.toString('hex', at + 2, at + 2 + lengthBytes), 16)
    if (length > MOST) return { messages, isRefused: true }
    const from = at + 2 + lengthBytes
    if (bytes.length < from + length) return { messages, isRefused: false }
    messages.push(bytes.toString('hex', from, from + length))
    at = from + length
  }
}

fuzz(
  'FrameReader: the messages of a stream however it is cut, or those before what is refused',
  fc.tuple(
    almost(streams, { hot: 20 }),
    fc.array(fc.integer({ min: 1, max: 200 }), { minLength: 1, maxLength: 6 }),
  ),
  ([bytes, cuts]) => {
    const expected = messagesIn(bytes)
    const messages: string[] = []
    const reader = new FrameReader(MOST, (message) => void messages.push(message.toString('hex')))
    let isRefused = false
    try {
      for (let at = 0, cut = 0; at < bytes.length; cut++) {
        const { space } = reader
        if (space.length === 0) throw new Error('there is no space for another byte')
        const count = Math.min(cuts[cut % cuts.length] as number, space.length, bytes.length - at)
        bytes.copy(space, 0, at, at + count)
        at += count
        reader.wrote(count)
      }
    } catch (error) {
      checkRefusal(error, ['bad-frame', 'too-large'])
      isRefused = true
    }
    if (isRefused !== expected.isRefused)
      throw new Error(`refused: ${isRefused}, and should be: ${expected.isRefused}`)
    if (messages.join() !== expected.messages.join()) throw new Error('other messages than were sent')
  },
)

fuzz(
  'a frame comes out as it went in',
  fc.array(
    fc.record({
      firstPage: fc.nat(PAGES - 2),
      pageCount: fc.integer({ min: 1, max: 2 }),
      encoding: fc.constantFrom('raw', 'zero'),
    }),
    { maxLength: 6 },
  ),
  (runs: EncodedRun[]) => {
    const frame = decodeFrame(
      encodePagesFrame(Buffer.alloc(MAX_FRAME_BYTES / 4), header, { runs, image }),
      PAGES,
      1,
    )
    if (frame.kind !== 'pages' || JSON.stringify(frame.runs) !== JSON.stringify(runs))
      throw new Error('other runs')
    if (frame.payload.length > MAX_FRAME_PAYLOAD_BYTES) throw new Error('too much')
  },
  { share: 0.1 },
)
