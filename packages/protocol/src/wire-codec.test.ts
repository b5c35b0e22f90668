/**
 * Goal: what is encoded comes back with the same bits, and no bytes from outside do harm.
 * Method: random trees compared bit for bit; random bytes, and mutations and truncations of real messages.
 */
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { GodwitError } from './errors.ts'
import { LIMITS } from './limits.ts'
import { decodeValue, encodeValue } from './wire-codec.ts'

const number = fc.oneof(
  fc.double(),
  fc.integer(),
  fc.constantFrom(-0, 0, 2 ** 53, -(2 ** 53), 2 ** 60, 5e-324, -Infinity),
)
const floats = fc.uint8Array({ maxLength: 64 }).map((bytes) => bytes.slice(0, bytes.length & ~7))
const leaf = fc.oneof(
  number,
  fc.string({ unit: 'binary' }),
  fc.boolean(),
  fc.constantFrom(null, undefined),
  fc.bigInt({ min: -(2n ** 90n), max: 2n ** 90n }),
  fc.uint8Array({ maxLength: 40 }),
  floats.map((bytes) => new Float32Array(bytes.buffer)),
  floats.map((bytes) => new Float64Array(bytes.buffer)),
  floats.map((bytes) => new Int32Array(bytes.buffer)),
  floats.map((bytes) => new Uint32Array(bytes.buffer)),
)
const key = fc.string().filter((name) => name !== '__proto__')
const { tree } = fc.letrec((tie) => ({
  tree: fc.oneof(
    { depthSize: 'small' },
    leaf,
    fc.array(tie('tree')),
    fc.dictionary(key, tie('tree'), { noNullPrototype: true }),
  ),
}))

/** A description that differs when a single bit does. */
function bits(value: unknown): unknown {
  if (typeof value === 'number') {
    const view = new DataView(new ArrayBuffer(8))
    view.setFloat64(0, value)
    return Number.isNaN(value) ? 'NaN' : `f64:${view.getBigUint64(0)}`
  }
  if (ArrayBuffer.isView(value)) {
    return [
      value.constructor.name,
      Buffer.from(value.buffer, value.byteOffset, value.byteLength).toString('hex'),
    ]
  }
  if (Array.isArray(value)) return value.map(bits)
  if (typeof value === 'object' && value !== null)
    return Object.entries(value).map(([name, item]) => [name, bits(item)])
  return [typeof value, String(value)]
}

test('every plain value comes back bit for bit', () => {
  fc.assert(
    fc.property(tree, (value) => {
      expect(bits(decodeValue(encodeValue(value)))).toEqual(bits(value))
    }),
    { numRuns: 1000 },
  )
})

test('NaN payloads survive inside typed arrays', () => {
  const words = new Uint32Array([0x7fc12345, 0xffa00001])
  const back = decodeValue(encodeValue(new Float32Array(words.buffer))) as Float32Array
  expect([...new Uint32Array(back.buffer, back.byteOffset, 2)]).toEqual([...words])
})

test('what is not plain data is refused with its path', () => {
  const cycle: Record<string, unknown> = {}
  cycle.self = cycle
  for (const [value, path] of [
    [{ a: [1, { f: () => 1 }] }, 'a[1].f'],
    [{ when: new Date(0) }, 'when'],
    [{ map: new Map() }, 'map'],
    [{ wide: new BigInt64Array(1) }, 'wide'],
    [cycle, 'self.self'],
    [JSON.parse('{"__proto__": 1}'), '__proto__'],
  ] as const) {
    expect(() => encodeValue(value)).toThrow(
      expect.objectContaining({ kind: 'program-invalid', message: expect.stringContaining(path) }),
    )
  }
})

test('bytes from outside give a value or a typed error, whatever they are', () => {
  const real = encodeValue({ type: 'x', list: [1, 2, 3], bytes: new Uint8Array(9), big: 2n ** 80n, zero: -0 })
  const hostile = fc.oneof(
    fc.uint8Array({ maxLength: 200 }),
    fc.nat(real.length).map((length) => Uint8Array.from(real.subarray(0, length))),
    fc
      .tuple(fc.nat(real.length - 1), fc.nat(255))
      .map(([at, byte]) => Uint8Array.from(real).fill(byte, at, at + 1)),
  )
  fc.assert(
    fc.property(hostile, (bytes) => {
      try {
        decodeValue(bytes)
      } catch (error) {
        expect(error).toBeInstanceOf(GodwitError)
      }
    }),
    { numRuns: 5000 },
  )
})

test('so many arrays and objects can be sent, and no more', () => {
  const list = Array.from({ length: LIMITS.maxMessageContainers - 1 }, () => [])
  expect(decodeValue(encodeValue(list))).toEqual(list)
  expect(() => encodeValue([...list, {}])).toThrow(expect.objectContaining({ kind: 'program-invalid' }))
  // As somebody sends it who does not count.
  const bytes = Buffer.concat([
    Buffer.from('dd00010000', 'hex'),
    Buffer.alloc(LIMITS.maxMessageContainers, 0x80),
  ])
  expect(() => decodeValue(bytes)).toThrow(expect.objectContaining({ kind: 'bad-message' }))
})

test('announced lengths are not believed', () => {
  for (const hex of [
    'ddffffffff',
    'dfffffffff',
    'c6ffffffff00',
    'c9ffffffff7400',
    '91'.repeat(LIMITS.maxMessageDepth + 2),
    // Keys that are no strings: a big integer (of a megabyte it took 2 s to make one of it), a number, none at all.
    '81c70842010203040506070801',
    '810101',
    '81',
    // Typed arrays of another type (an ArrayBuffer, 64-bit integers), of none, and of half an element.
    'd5741000',
    `c7097409${'00'.repeat(8)}`,
    'c70074',
    'd67407000000',
  ]) {
    expect(() => decodeValue(Buffer.from(hex, 'hex'))).toThrow(
      expect.objectContaining({ kind: 'bad-message' }),
    )
  }
  expect(() => decodeValue(new Uint8Array(LIMITS.maxControlMessageBytes + 1))).toThrow(
    expect.objectContaining({ kind: 'too-large' }),
  )
})
