/**
 * Goal: xor is chosen where it is through first, and never where raw would be; and what is learnt leads there, also when the
 * link changes. Method: a link and an encoder simulated frame by frame, which the code under test knows nothing of.
 */
import type { RoundCodec } from '@godwit/protocol'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import {
  type CodecKnowledge,
  chooseCodec,
  codecOfRound,
  learnFromEncoding,
  learnFromRound,
  NOTHING_KNOWN,
} from './codec-choice.ts'

interface World {
  readonly linkBytesPerMs: number
  readonly xorBytesPerMs: number
  readonly ratio: number
}

const FRAME_BYTES = 262_144

/** When the last of `frames` frames is over the link, if each is encoded before it is sent. */
function simulate(
  codec: RoundCodec,
  world: World,
  frames: number,
): { durationMs: number; wireBytes: number } {
  const encodeMs = codec === 'raw' ? 0 : FRAME_BYTES / world.xorBytesPerMs
  const wireBytes = codec === 'raw' ? FRAME_BYTES : FRAME_BYTES / world.ratio
  let encodedMs = 0
  let sentMs = 0
  for (let frame = 0; frame < frames; frame++) {
    encodedMs += encodeMs
    sentMs = Math.max(sentMs, encodedMs) + wireBytes / world.linkBytesPerMs
  }
  return { durationMs: sentMs, wireBytes: wireBytes * frames }
}

const worlds: fc.Arbitrary<World> = fc.record({
  linkBytesPerMs: fc.double({ min: 100, max: 5_000_000, noNaN: true }),
  xorBytesPerMs: fc.double({ min: 10_000, max: 3_000_000, noNaN: true }),
  ratio: fc.double({ min: 1, max: 10, noNaN: true }),
})

test('auto never takes xor when raw is expected to be faster, and never on a link faster than the encoder', () => {
  fc.assert(
    fc.property(worlds, fc.integer({ min: 16, max: 200 }), (world, frames) => {
      const codec = chooseCodec({ option: 'auto', ...world })
      const [raw, xor] = [simulate('raw', world, frames), simulate('xor', world, frames)]
      if (codec === 'xor') expect(xor.durationMs).toBeLessThanOrEqual(raw.durationMs)
      if (world.linkBytesPerMs >= world.xorBytesPerMs) expect(codec).toBe('raw')
      // And it is no coward: what saves a quarter over a long round is taken.
      if (simulate('xor', world, 1000).durationMs < 0.75 * simulate('raw', world, 1000).durationMs)
        expect(codec).toBe('xor')
    }),
    { numRuns: 2000 },
  )
})

test('what a person asked for is what they get', () => {
  const unknown = { linkBytesPerMs: undefined, xorBytesPerMs: undefined, ratio: undefined }
  expect(chooseCodec({ option: 'raw', linkBytesPerMs: 1, xorBytesPerMs: 1e6, ratio: 9 })).toBe('raw')
  expect(chooseCodec({ option: 'xor', linkBytesPerMs: 1e9, xorBytesPerMs: 1, ratio: 1 })).toBe('xor')
  expect(chooseCodec({ option: 'auto', ...unknown })).toBe('raw')
  expect(chooseCodec({ option: 'xor', ...unknown })).toBe('xor')
})

test('untried, xor is tried on a slow link and not on a fast one', () => {
  const untried = { option: 'auto', xorBytesPerMs: undefined, ratio: undefined } as const
  expect(chooseCodec({ ...untried, linkBytesPerMs: 12_500 })).toBe('xor')
  expect(chooseCodec({ ...untried, linkBytesPerMs: 25_000 })).toBe('xor')
  // A gigabit, or two busy cores: not worth trying before more is known.
  expect(chooseCodec({ ...untried, linkBytesPerMs: 118_000 })).toBe('raw')
})

/** Rounds in a world as the source sees it; returns their codecs. The first round of xor finds no base. */
function migrate(world: (round: number) => World, rounds: number, frames = 100): RoundCodec[] {
  let known: CodecKnowledge = NOTHING_KNOWN
  let before: RoundCodec = 'raw'
  return Array.from({ length: rounds }, (_, round) => {
    const { codec } = codecOfRound(known, { option: 'auto', isParked: false })
    const encoded = codec === 'xor' && before === 'xor'
    const { durationMs, wireBytes } = simulate(encoded ? 'xor' : 'raw', world(round), frames)
    const encodeMs = encoded ? (frames * FRAME_BYTES) / world(round).xorBytesPerMs : 0
    if (encoded) known = learnFromEncoding(known, { pageBytes: frames * FRAME_BYTES, wireBytes, encodeMs })
    known = learnFromRound(known, { bytesPerMs: wireBytes / durationMs, durationMs, encodeMs })
    before = codec
    return codec
  })
}

test('a migration over a slow link comes to use xor, over a fast one never', () => {
  const adam = { xorBytesPerMs: 700_000, ratio: 1.25 }
  expect(migrate(() => ({ ...adam, linkBytesPerMs: 12_500 }), 5)).toEqual(['raw', 'xor', 'xor', 'xor', 'xor'])
  expect(new Set(migrate(() => ({ ...adam, linkBytesPerMs: 1_000_000 }), 20))).toEqual(new Set(['raw']))
})

test('pages that do not compress end the try', () => {
  const noise = { linkBytesPerMs: 12_500, xorBytesPerMs: 700_000, ratio: 1.01 }
  expect(migrate(() => noise, 8)).toEqual(['raw', 'xor', 'xor', 'raw', 'raw', 'raw', 'raw', 'raw'])
})

test('an encoder that turns out slow ends it too', () => {
  const slow = { linkBytesPerMs: 100_000, xorBytesPerMs: 60_000, ratio: 3 }
  expect(migrate(() => slow, 6).slice(3)).toEqual(['raw', 'raw', 'raw'])
})

test('a link that became fast is noticed, although xor hides it', () => {
  const adam = { xorBytesPerMs: 200_000, ratio: 1.5 }
  const codecs = migrate((round) => ({ ...adam, linkBytesPerMs: round < 5 ? 30_000 : 2_000_000 }), 14)
  expect(codecs.slice(1, 6)).toEqual(Array(5).fill('xor'))
  expect(codecs.slice(10)).toEqual(Array(4).fill('raw'))
})

test('nothing is tried out while the job is parked', () => {
  let known = learnFromRound(NOTHING_KNOWN, { bytesPerMs: 50_000, durationMs: 100, encodeMs: 0 })
  known = learnFromEncoding(known, { pageBytes: 1e6, wireBytes: 5e5, encodeMs: 5 })
  for (let round = 0; round < 10; round++)
    known = learnFromRound(known, { bytesPerMs: 60_000, durationMs: 10, encodeMs: 9 })
  expect(codecOfRound(known, { option: 'auto', isParked: false }).codec).toBe('raw')
  expect(codecOfRound(known, { option: 'auto', isParked: true }).codec).toBe('xor')
  expect(codecOfRound(known, { option: 'xor', isParked: false }).codec).toBe('xor')
  const untried = learnFromRound(NOTHING_KNOWN, { bytesPerMs: 12_500, durationMs: 100, encodeMs: 0 })
  expect(codecOfRound(untried, { option: 'auto', isParked: true }).codec).toBe('raw')
  expect(codecOfRound(untried, { option: 'auto', isParked: false }).codec).toBe('xor')
})

test('the slower the link, the harder the encoder tries', () => {
  const at = (bytesPerMs: number) =>
    codecOfRound(learnFromRound(NOTHING_KNOWN, { bytesPerMs, durationMs: 1, encodeMs: 0 }), {
      option: 'auto',
      isParked: false,
    }).effort
  expect([at(12_500), at(118_000)]).toEqual(['thorough', 'quick'])
})
