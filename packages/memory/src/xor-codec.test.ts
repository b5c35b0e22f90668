/**
 * Goal: what the encoder makes of pages, the decoder makes pages of again, bit for bit; and nothing that a peer may put into a
 * plane writes a byte, asks for memory, or does worse than a typed error.
 * Method: round trips over random runs of pages that are noise, zeros, little changed, and equal; then planes broken in
 * every way, with the target compared before and after.
 */
import { createRequire } from 'node:module'
import { type EncodedRun, GodwitError, isWorthXor, PAGE_BYTES, PLANE_PAGE_BYTES } from '@godwit/protocol'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { XorDecoder, XorEncoder } from './xor-codec.ts'

const PAGES = 64
const effort = fc.constantFrom('quick', 'thorough')
/** Runs of ascending pages with gaps, of any encoding, over the first `PAGES` pages. */
const ascendingRuns: fc.Arbitrary<EncodedRun[]> = fc
  .array(
    fc.record({
      gap: fc.nat(3),
      pageCount: fc.integer({ min: 1, max: 5 }),
      encoding: fc.constantFrom('xor', 'xor', 'raw', 'zero'),
    }),
    { minLength: 1, maxLength: 8 },
  )
  .map((steps) => {
    let next = 0
    return steps.map(({ gap, pageCount, encoding }) => {
      const firstPage = next + gap
      next = firstPage + pageCount
      return { firstPage, pageCount, encoding } as const
    })
  })
  .filter((runs) => runs.some(({ encoding }) => encoding === 'xor'))

/** Noise from a seed: quicker than fast-check's, and replayed by the seed alone. */
function noise(seed: number, bytes = PAGES * PAGE_BYTES): Buffer {
  const buffer = Buffer.alloc(bytes)
  let state = (seed | 1) >>> 0
  for (let at = 0; at < bytes; at += 4) {
    state ^= state << 13
    state ^= state >>> 17
    state = (state ^ (state << 5)) >>> 0
    buffer.writeUInt32LE(state, at)
  }
  return buffer
}

/** What a step may have made of `base`, page by page: equal, zeros, noise, a little else in each element, one bit. */
function stepped(base: Buffer, seed: number): Buffer {
  const image = Buffer.from(base)
  const other = noise(seed + 1)
  for (let page = 0; page < PAGES; page++) {
    const from = page * PAGE_BYTES
    const to = from + PAGE_BYTES
    const kind = other.readUInt8(from) % 5
    if (kind === 1) image.fill(0, from, to)
    if (kind === 2) other.copy(image, from, from, to)
    if (kind === 3)
      for (let at = from; at < to; at += 4) image[at] = (image[at] as number) ^ (other[at] as number)
    if (kind === 4) image[from + 77] = (image[from + 77] as number) ^ 0x10
  }
  return image
}

test('pages come out as they went in, the base becomes them, and nothing else is touched', () => {
  const [encoder, decoder] = [new XorEncoder(), new XorDecoder()]
  fc.assert(
    fc.property(ascendingRuns, fc.integer({ min: 1 }), effort, (runs, seed, effort) => {
      const before = noise(seed)
      const image = stepped(before, seed)
      const base = Buffer.from(before)
      const target = Buffer.from(before)
      const planes = encoder.encode(runs, { image, base, effort })
      decoder.install(runs, planes, target)
      const expected = Buffer.from(before)
      for (const { firstPage, pageCount, encoding } of runs) {
        const [from, to] = [firstPage * PAGE_BYTES, (firstPage + pageCount) * PAGE_BYTES]
        if (encoding === 'xor') image.copy(expected, from, from, to)
      }
      expect(target.equals(expected)).toBe(true)
      expect(base.equals(expected)).toBe(true)
    }),
    { numRuns: 300 },
  )
})

const run = (pageCount: number): EncodedRun[] => [{ firstPage: 0, pageCount, encoding: 'xor' }]

test('a page equal to its base takes a few bytes, noise is said not to be worth it', () => {
  const encoder = new XorEncoder()
  const image = noise(5)
  const equal = encoder.encode(run(8), { image, base: Buffer.from(image), effort: 'quick' })
  expect(equal.reduce((sum, { length }) => sum + length, 0)).toBeLessThan(400)
  expect(isWorthXor(equal, 8)).toBe(true)
  for (const effort of ['quick', 'thorough'] as const) {
    const noisy = encoder.encode(run(8), { image, base: noise(6), effort })
    expect(noisy.map(({ length }) => length)).toEqual(Array(4).fill(8 * PLANE_PAGE_BYTES))
    expect(isWorthXor(noisy, 8)).toBe(false)
  }
})

test('plane k holds byte k of every element, in order', () => {
  const image = noise(9)
  const planes = new XorEncoder().encode(run(2), {
    image,
    base: Buffer.alloc(image.length),
    effort: 'quick',
  })
  for (const [index, plane] of planes.entries()) {
    for (let element = 0; element < 2 * PLANE_PAGE_BYTES; element++) {
      if (plane[element] !== image[element * 4 + index]) expect.fail(`plane ${index}, element ${element}`)
    }
  }
})

/** The decoder must refuse, and must not have written. */
function refuses(planes: readonly Uint8Array[], pageCount = 4): void {
  const before = noise(3)
  const target = Buffer.from(before)
  expect(() => new XorDecoder().install(run(pageCount), planes, target)).toThrow(
    expect.objectContaining({ kind: 'bad-frame' }),
  )
  expect(target.equals(before)).toBe(true)
}

const { compressSync } = createRequire(import.meta.url)('lz4-napi') as typeof import('lz4-napi')
/** An LZ4 block of so many zeros: a bomb when they are many. */
const zeros = (bytes: number): Uint8Array => compressSync(Buffer.alloc(bytes)).subarray(4)

test('a plane that decodes to another length is refused, and a bomb asks for no memory', () => {
  const stored = Buffer.alloc(4 * PLANE_PAGE_BYTES)
  const good = zeros(4 * PLANE_PAGE_BYTES)
  refuses([stored, stored, good])
  refuses([stored, stored, good, zeros(4 * PLANE_PAGE_BYTES - 1)])
  refuses([stored, stored, good, zeros(4 * PLANE_PAGE_BYTES + 1)])
  refuses([stored, stored, good, zeros(1_000_000)])
  refuses([stored, stored, good, Buffer.alloc(4 * PLANE_PAGE_BYTES + 1)])
  refuses([stored, stored, good, Buffer.alloc(0)])
  refuses([stored, stored, stored, stored], 65)
  // One token that says its match is 255 longer for each of a thousand bytes.
  refuses([stored, stored, good, Buffer.concat([Buffer.from([0x1f, 7, 1, 0]), Buffer.alloc(1000, 255)])])
})

test('any bytes are decoded to the right length or refused', () => {
  const decoder = new XorDecoder()
  const target = noise(1)
  const stored = Buffer.alloc(PLANE_PAGE_BYTES)
  const good = zeros(PLANE_PAGE_BYTES)
  const mutated = fc
    .tuple(fc.nat(good.length - 1), fc.integer({ min: 1, max: 255 }))
    .map(([at, flip]) => good.map((byte, index) => (index === at ? byte ^ flip : byte)))
  fc.assert(
    fc.property(fc.oneof(fc.uint8Array({ maxLength: PLANE_PAGE_BYTES + 8 }), mutated), (plane) => {
      try {
        decoder.install(run(1), [stored, stored, stored, plane], target)
      } catch (error) {
        if (!(error instanceof GodwitError) || error.kind !== 'bad-frame') throw error
      }
    }),
    { numRuns: 3000 },
  )
})
