/**
 * Goal: whatever is framed, in whatever codec and however often a page changes meanwhile, a target that installs the frames
 * in order holds what was last framed of each page. Method: random rounds against a target that is written here, apart from
 * the code under test: frames go through the wire's bytes; and the cases in which a page has no base.
 */
import { once } from 'node:events'
import { Worker } from 'node:worker_threads'
import {
  decodeFrame,
  type EncodedRun,
  encodePagesFrame,
  encodeXorFrame,
  LIMITS,
  MAX_FRAME_BYTES,
  PAGE_BYTES,
  type RoundCodec,
} from '@godwit/protocol'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { FramedImage } from './framed-image.ts'
import { XorDecoder } from './xor-codec.ts'

const PAGES = 24
const header = { version: 1, stream: 0, round: 0, sequence: 0 }

class Source {
  readonly arena: Buffer
  readonly framed: FramedImage
  readonly target: Buffer
  readonly #decoder = new XorDecoder()

  constructor(pages = PAGES) {
    this.arena = Buffer.alloc(pages * PAGE_BYTES)
    // Nothing is known of the target's bytes before it got a page.
    this.target = Buffer.alloc(pages * PAGE_BYTES, 0xa5)
    this.framed = new FramedImage(pages)
  }

  /** Frames `runs`, sends them, and installs what came out at the other end. Returns the frame's encodings and bytes. */
  send(runs: readonly EncodedRun[], codec: RoundCodec): { encodings: string[]; bytes: number } {
    const { planes, ...rest } = this.framed.frame(runs, this.arena, { codec })
    const into = Buffer.alloc(MAX_FRAME_BYTES)
    const bytes =
      planes === undefined
        ? encodePagesFrame(into, header, rest)
        : encodeXorFrame(into, header, { ...rest, planes })
    const frame = decodeFrame(bytes, this.framed.pageCount, 1)
    if (frame.kind !== 'pages') throw new Error(frame.kind)
    let at = 0
    for (const { firstPage, pageCount, encoding } of frame.runs) {
      const [from, length] = [firstPage * PAGE_BYTES, pageCount * PAGE_BYTES]
      if (encoding === 'zero') this.target.fill(0, from, from + length)
      if (encoding !== 'raw') continue
      this.target.set(frame.payload.subarray(at, at + length), from)
      at += length
    }
    if (frame.planes !== undefined) this.#decoder.install(frame.runs, frame.planes, this.target)
    return { encodings: frame.runs.map(({ encoding }) => encoding), bytes: bytes.length }
  }

  page(page: number): Buffer {
    return this.arena.subarray(page * PAGE_BYTES, (page + 1) * PAGE_BYTES)
  }
}

const raw = (firstPage: number, pageCount = 1): EncodedRun => ({ firstPage, pageCount, encoding: 'raw' })
const zero = (firstPage: number, pageCount = 1): EncodedRun => ({ firstPage, pageCount, encoding: 'zero' })

/** One frame: what happens to each page before it, and which pages it takes. */
const rounds = fc.array(
  fc.record({
    codec: fc.constantFrom<RoundCodec>('raw', 'xor', 'xor', 'xor'),
    pages: fc.array(fc.constantFrom('none', 'same', 'zeros', 'nudge', 'fill', 'noise'), {
      minLength: PAGES,
      maxLength: PAGES,
    }),
    seed: fc.nat(255),
  }),
  { minLength: 1, maxLength: 8 },
)

test('the target holds what was last framed of each page', () => {
  fc.assert(
    fc.property(rounds, (rounds) => {
      const source = new Source()
      const expected = Buffer.from(source.target)
      for (const { codec, pages, seed } of rounds) {
        const runs: EncodedRun[] = []
        for (const [page, change] of pages.entries()) {
          if (change === 'none') continue
          const bytes = source.page(page)
          if (change === 'zeros') bytes.fill(0)
          if (change === 'fill') bytes.fill(seed)
          if (change === 'nudge') bytes[seed] = (bytes[seed] as number) ^ 1
          if (change === 'noise')
            for (let at = 0; at < PAGE_BYTES; at++) bytes[at] = (at * at * (seed + 3) + (at >>> 3)) & 255
          const isZero = bytes.every((byte) => byte === 0)
          runs.push(isZero ? zero(page) : raw(page))
          bytes.copy(expected, page * PAGE_BYTES)
        }
        source.send(runs, codec)
      }
      expect(source.target.equals(expected)).toBe(true)
    }),
    { numRuns: 100 },
  )
})

test('a page goes raw once, then as what changed; a raw round takes its base away', () => {
  const source = new Source()
  source.page(3).fill(7)
  expect(source.framed.hasBase(3)).toBe(false)
  expect(source.send([raw(3)], 'xor').encodings).toEqual(['raw'])
  expect(source.framed.hasBase(3)).toBe(true)
  source.page(3).fill(9, 0, 10)
  const second = source.send([raw(2, 3)], 'xor')
  expect(second.encodings).toEqual(['raw', 'xor', 'raw'])
  expect(second.bytes).toBeLessThan(3 * PAGE_BYTES)
  expect(source.send([raw(3)], 'raw').encodings).toEqual(['raw'])
  expect(source.framed.hasBase(3)).toBe(false)
  expect(source.send([raw(3)], 'xor').encodings).toEqual(['raw'])
})

test('zeros are a base, also where the page was written after it was found to be zeros', () => {
  const source = new Source()
  source.page(1).fill(1)
  source.send([zero(1, 2)], 'xor')
  expect(source.target.subarray(PAGE_BYTES, 3 * PAGE_BYTES).every((byte) => byte === 0)).toBe(true)
  source.page(2).fill(2)
  expect(source.send([raw(1, 2)], 'xor').encodings).toEqual(['xor'])
  expect(
    source.target
      .subarray(PAGE_BYTES, 3 * PAGE_BYTES)
      .equals(source.arena.subarray(PAGE_BYTES, 3 * PAGE_BYTES)),
  ).toBe(true)
})

test('what would not become shorter goes raw, from the copy, and is the base all the same', () => {
  const source = new Source()
  const noise = (seed: number): void => {
    let state = seed
    for (let at = 0; at < PAGE_BYTES; at++) {
      state = (Math.imul(state, 1664525) + 1013904223) >>> 0
      source.page(0)[at] = state >>> 24
    }
  }
  noise(1)
  source.send([raw(0)], 'xor')
  noise(2)
  expect(source.send([raw(0)], 'xor').encodings).toEqual(['raw'])
  noise(3)
  const { image, tried } = source.framed.frame([raw(0)], source.arena, { codec: 'xor' })
  expect(tried).toEqual({ pageBytes: PAGE_BYTES, wireBytes: PAGE_BYTES })
  expect(image).not.toBe(source.arena)
  expect(Buffer.from(image.subarray(0, PAGE_BYTES)).equals(source.page(0))).toBe(true)
})

// Goal: what is sent and what becomes the base are the same bytes. Method: another thread writes the pages without a pause.
test('pages that are written while they are framed leave source and target with the same copy', async () => {
  const shared = new SharedArrayBuffer(4 * PAGE_BYTES)
  const image = Buffer.from(shared)
  const writer = new Worker(
    `const { workerData, parentPort } = require('node:worker_threads')
     const words = new Uint32Array(workerData)
     for (let round = 1; ; round++) {
       for (let word = 0; word < words.length; word++) words[word] += round
       if (round === 1) parentPort.postMessage('writing')
     }`,
    { eval: true, workerData: shared },
  )
  await once(writer, 'message')
  const framed = new FramedImage(4)
  const decoder = new XorDecoder()
  const target = Buffer.alloc(4 * PAGE_BYTES)
  target.set(framed.frame([raw(0, 4)], image, { codec: 'xor' }).image)
  let xored = 0
  for (let frame = 0; frame < 500; frame++) {
    const { runs, image: base, planes } = framed.frame([raw(0, 4)], image, { codec: 'xor' })
    if (planes === undefined) target.set(base)
    else decoder.install(runs, planes, target)
    if (planes !== undefined) xored += 1
    if (!target.equals(base)) expect.fail(`frame ${frame}: the base is not what was sent`)
  }
  await writer.terminate()
  expect(xored).toBeGreaterThan(0)
})

test('raw alone keeps nothing, and gives back what it was given', () => {
  const source = new Source()
  const runs = [raw(0, 4), zero(9)]
  const framed = source.framed.frame(runs, source.arena, { codec: 'raw' })
  expect(framed.runs).toBe(runs)
  expect(framed.image).toBe(source.arena)
  expect(source.framed.hasBase(9)).toBe(false)
})

test('runs that would become too many stay raw', () => {
  const source = new Source(3 * LIMITS.maxFrameRuns)
  const spread = Array.from({ length: LIMITS.maxFrameRuns - 1 }, (_, index) => zero(2 * index))
  const mixed = 2 * LIMITS.maxFrameRuns
  source.arena.fill(1, mixed * PAGE_BYTES)
  source.send([raw(mixed), raw(mixed + 2)], 'xor')
  const { encodings } = source.send([...spread, raw(mixed, 4)], 'xor')
  expect(encodings).toHaveLength(LIMITS.maxFrameRuns)
  expect(encodings.at(-1)).toBe('raw')
  expect(source.framed.hasBase(mixed + 3)).toBe(true)
})
