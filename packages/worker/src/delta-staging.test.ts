/**
 * Goal: a delta comes out of staged memory as it went in, bit for bit, and one that is not what the program declared is
 * refused. Method: a property over declared arrays of every dtype; the same with one thing wrong.
 */
import { encodeValue, GodwitError, type SentDelta } from '@godwit/protocol'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import type { Delta, Dtype, TypedArray } from './contract.ts'
import { maxStagedBytes, sentArrays, stage, stagedBytes, stagedDelta, touch } from './delta-staging.ts'

const CLASSES = {
  float32: Float32Array,
  float64: Float64Array,
  int32: Int32Array,
  uint32: Uint32Array,
  uint8: Uint8Array,
}

const arrays = fc.array(
  fc.record({
    dtype: fc.constantFrom<Dtype>('float32', 'float64', 'int32', 'uint32', 'uint8'),
    bytes: fc.uint8Array({ maxLength: 200 }),
    spare: fc.nat(5),
  }),
  { maxLength: 6 },
)

/** Arrays of any bits, NaN payloads and -0 among them. */
function deltaOf(list: readonly { dtype: Dtype; bytes: Uint8Array; spare: number }[]) {
  const declared = new Map<string, { dtype: Dtype; maxLength: number }>()
  const delta: Delta = { arrays: {}, values: { loss: 0.5, note: -0 } }
  for (const [index, { dtype, bytes, spare }] of list.entries()) {
    const TypedArrayClass = CLASSES[dtype]
    const elements = Math.floor(bytes.length / TypedArrayClass.BYTES_PER_ELEMENT)
    const array = new TypedArrayClass(bytes.slice().buffer, 0, elements) as TypedArray
    delta.arrays[`a${index}`] = array
    declared.set(`a${index}`, { dtype, maxLength: elements + spare })
  }
  return { delta, declared }
}

function sent(delta: Delta): SentDelta {
  return {
    arrays: sentArrays(delta.arrays),
    byteLength: stagedBytes(delta.arrays),
    values: encodeValue(delta.values),
    computeMs: 1,
  }
}

function bits(array: TypedArray): string {
  return Buffer.from(array.buffer, array.byteOffset, array.byteLength).toString('hex')
}

test('whatever is staged comes back bit for bit, and is said to be in place only when it is', () => {
  fc.assert(
    fc.property(arrays, (list) => {
      const { delta, declared } = deltaOf(list)
      const memory = new SharedArrayBuffer(maxStagedBytes(declared))
      touch(memory)
      const saidBytes: number[] = []
      stage(delta.arrays, memory, (bytes) => saidBytes.push(bytes))
      expect(saidBytes).toEqual(saidBytes.toSorted((a, b) => a - b))
      if (list.length > 0) expect(saidBytes.at(-1)).toBe(stagedBytes(delta.arrays))
      const back = stagedDelta(sent(delta), declared, memory)
      expect(Object.keys(back.arrays)).toEqual(Object.keys(delta.arrays))
      for (const [name, array] of Object.entries(delta.arrays))
        expect(bits(back.arrays[name] as TypedArray)).toBe(bits(array))
      expect(back.values).toEqual(delta.values)
    }),
  )
})

test('a delta that the program did not declare is refused', () => {
  const { delta, declared } = deltaOf([{ dtype: 'float32', bytes: new Uint8Array(40), spare: 2 }])
  const memory = new SharedArrayBuffer(maxStagedBytes(declared))
  const good = sent(delta)
  const [first] = good.arrays
  if (first === undefined) throw new Error('bug: no array')
  for (const bad of [
    { ...good, arrays: [{ ...first, name: 'b' }] },
    { ...good, arrays: [{ ...first, elements: 13 }] },
    { ...good, arrays: [first, first], byteLength: 2 * good.byteLength },
    { ...good, byteLength: good.byteLength + 8 },
    { ...good, arrays: [] },
  ]) {
    expect(() => stagedDelta(bad, declared, memory)).toThrow(GodwitError)
  }
})
