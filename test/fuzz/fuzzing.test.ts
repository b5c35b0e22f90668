/**
 * Goal: what the fuzz tests look for, they would see.
 * Method: decoders that are broken on purpose, as ours could be, under the same inputs; and how much of what is drawn gets past the first check.
 */
import {
  checkMessage,
  clientRequest,
  decodeFrame,
  decodeValue,
  encodeRoundEnd,
  encodeValue,
  GodwitError,
} from '@godwit/protocol'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { examplesOf, randomFrom } from './examples.ts'
import { valueOrRefusal } from './fuzzing.ts'
import { checkPlain } from './messages.ts'
import { almost, almostText, changeValue, VALUE_CHANGES } from './mutations.ts'

function finds(decode: (bytes: Buffer) => unknown, inputs: fc.Arbitrary<Buffer>): boolean {
  return fc.check(
    fc.property(inputs, (bytes) => void valueOrRefusal(() => decode(bytes), ['bad-frame'])),
    { seed: 1, numRuns: 2000 },
  ).failed
}

const frame = encodeRoundEnd({ version: 1, stream: 0, round: 0, sequence: 0 })

test.each<[string, (bytes: Buffer) => unknown]>([
  ['reads behind the end', (bytes) => bytes.readUInt32LE(28)],
  [
    'throws another error',
    () => {
      throw new TypeError('undefined is no function')
    },
  ],
  [
    'throws a kind that nobody expects',
    () => {
      throw new GodwitError('disk-full', '')
    },
  ],
  [
    'says as much as was sent',
    () => {
      throw new GodwitError('bad-frame', 'x'.repeat(100_000))
    },
  ],
  [
    'has one byte it does not expect',
    (bytes) => {
      if (bytes[5] === 3) throw new RangeError()
    },
  ],
])('a decoder that %s is found', (_, decode) => {
  expect(finds(decode, almost([frame]))).toBe(true)
})

test('a decoder that is right is not', () => {
  expect(finds((bytes) => bytes.length, almost([frame]))).toBe(false)
})

test('what is not plain, or more than was sent, is found', () => {
  expect(() => checkPlain({ a: new Map() }, 100)).toThrow('not plain')
  expect(() => checkPlain(Array.from({ length: 20 }), 10)).toThrow('more parts')
  expect(() => checkPlain(['x'.repeat(20)], 10)).toThrow('longer')
  expect(() => checkPlain(new Uint8Array(20), 10)).toThrow('not sent')
  checkPlain({ a: [1, 'x', new Uint8Array(3)] }, 10)
})

test('inputs get past the first check often enough, and are wrong often enough', () => {
  const valid = examplesOf(clientRequest, 3, 5)
  const inputs = fc
    .tuple(fc.nat(valid.length - 1), VALUE_CHANGES)
    .map(([which, changes]) => changes.reduce(changeValue, valid[which]))
  let believed = 0
  const all = fc.sample(inputs, { numRuns: 2000, seed: 3 })
  for (const value of all) if (clientRequest.safeParse(value).success) believed += 1
  expect(believed).toBeGreaterThan(50)
  expect(believed).toBeLessThan(1500)
  const frames = fc.sample(almost([frame], { hot: 32, seal: (bytes) => bytes }), { numRuns: 2000, seed: 3 })
  const kinds = new Set<string>()
  for (const bytes of frames) {
    try {
      decodeFrame(bytes, 1, 1)
    } catch (error) {
      kinds.add((error as GodwitError).kind)
    }
  }
  expect([...kinds].sort()).toEqual(['bad-checksum', 'bad-frame', 'too-large'])
})

test('a changed value leaves the one that it was made of alone', () => {
  const value = { a: [1, { b: 2 }], c: new Uint8Array(2) }
  const before = JSON.stringify(value)
  const random = randomFrom(1)
  for (let times = 0; times < 500; times++)
    changeValue(value, [random(99), random(99), random(99), random(99)])
  expect(JSON.stringify(value)).toBe(before)
})

test('examples are of every alternative, and the same for the same seed', () => {
  const [once, again] = [examplesOf(clientRequest, 2, 9), examplesOf(clientRequest, 2, 9)]
  expect(once).toEqual(again)
  for (const value of once) expect(checkMessage(clientRequest, decodeValue(encodeValue(value)))).toBeDefined()
  expect(fc.sample(almostText(['abc']), { numRuns: 50, seed: 1 })).toContain('abc'.slice(0, 0))
})
