/**
 * A delta on its way between threads and hosts: the arrays' bytes one after the other in shared memory, each from a
 * multiple of 8 on, so that a typed array can be laid over them where they are.
 *
 * The memory is made when a migration begins and let go when it ends; the training thread writes it only when it is
 * parked with a delta in hand, and reads it only when it takes a job over.
 */
import type { SentDelta } from '@godwit/protocol'
import { decodeValue, GodwitError } from '@godwit/protocol'
import type { Delta, Dtype, TypedArray } from './contract.ts'
import type { DeltaArray } from './setup-context.ts'

export type DeclaredArrays = ReadonlyMap<string, DeltaArray>
export type SentArrays = SentDelta['arrays']

const ALIGNMENT = 8

const CLASSES: {
  readonly [D in Dtype]: {
    readonly BYTES_PER_ELEMENT: number
    new (buffer: SharedArrayBuffer, byteOffset: number, length: number): TypedArray
  }
} = {
  float32: Float32Array,
  float64: Float64Array,
  int32: Int32Array,
  uint32: Uint32Array,
  uint8: Uint8Array,
}

function aligned(bytes: number): number {
  return Math.ceil(bytes / ALIGNMENT) * ALIGNMENT
}

/** Bytes of the largest delta that was declared. */
export function maxStagedBytes(declared: DeclaredArrays): number {
  let bytes = 0
  for (const { dtype, maxLength } of declared.values())
    bytes += aligned(maxLength * CLASSES[dtype].BYTES_PER_ELEMENT)
  return bytes
}

/** Bytes of this delta, staged. */
export function stagedBytes(arrays: Delta['arrays']): number {
  let bytes = 0
  for (const name in arrays) bytes += aligned((arrays[name] as TypedArray).byteLength)
  return bytes
}

/** How `arrays` stand in staged memory. */
export function sentArrays(arrays: Delta['arrays']): SentArrays {
  return Object.entries(arrays).map(([name, { length }]) => ({ name, elements: length }))
}

/** Copies the arrays in slices; `staged` is told the bytes in place after each, so that they can be sent meanwhile. */
export function stage(
  arrays: Delta['arrays'],
  into: SharedArrayBuffer,
  staged: (bytes: number) => void,
): void {
  const bytes = new Uint8Array(into)
  let at = 0
  for (const array of Object.values(arrays)) {
    const source = new Uint8Array(array.buffer, array.byteOffset, array.byteLength)
    for (let from = 0; from < source.length; from += SLICE_BYTES) {
      const slice = source.subarray(from, from + SLICE_BYTES)
      bytes.set(slice, at + from)
      staged(at + from + slice.length)
    }
    at += aligned(source.length)
    staged(at)
  }
}

const SLICE_BYTES = 1024 * 1024

/**
 * The delta over staged memory. Errors: `bad-message` when it is not one that this program declares: the same program
 * with the same parameters declared it at the source.
 */
export function stagedDelta(sent: SentDelta, declared: DeclaredArrays, from: SharedArrayBuffer): Delta {
  const arrays: Delta['arrays'] = {}
  let at = 0
  for (const { name, elements } of sent.arrays) {
    const declaration = declared.get(name)
    if (declaration === undefined || elements > declaration.maxLength || Object.hasOwn(arrays, name)) {
      throw new GodwitError(
        'bad-message',
        `a delta array ${name} of ${elements} elements is not what the program declares`,
      )
    }
    const array = CLASSES[declaration.dtype]
    arrays[name] = new array(from, at, elements)
    at += aligned(elements * array.BYTES_PER_ELEMENT)
  }
  if (at !== sent.byteLength) {
    throw new GodwitError('bad-message', `a delta of ${sent.byteLength} bytes whose arrays take ${at}`)
  }
  return { arrays, values: decodeValue(sent.values) as Delta['values'] }
}

/** Writes a byte to each page, so that no page is missing when the delta comes. */
export function touch(memory: SharedArrayBuffer): void {
  const bytes = new Uint8Array(memory)
  for (let at = 0; at < bytes.length; at += 4096) bytes[at] = 0
}
