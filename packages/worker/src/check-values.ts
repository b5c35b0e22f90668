/**
 * What of a program's plain data can't move: small state and deltas.
 *
 * Both leave the process as bytes. What they refer to stays behind: a view of a tensor would come back as a copy of its
 * own, an instance of a class as nothing at all. Here each is held against that, with the name of the entry at fault.
 */
import { isDeepStrictEqual } from 'node:util'
import { decodeValue, encodeValue, GodwitError, LIMITS } from '@godwit/protocol'
import { type Bench, listed, stateDifference } from './check-bench.ts'
import { Broken, type CheckName } from './check-findings.ts'
import type { Delta, SmallState, SmallValue, TypedArray } from './contract.ts'
import { checkDelta } from './loaded-program.ts'

/** Returns the small state as encoded. Throws `Broken` for `small-state`. */
export function checkSmallState(bench: Bench): Uint8Array {
  const { state, step } = bench
  const when = step === 0 ? 'init returned' : `after step ${step - 1} there is`
  if (state instanceof Promise) {
    throw new Broken('small-state', 'init returned a promise: load what takes time in setup, which may wait')
  }
  if (typeof state !== 'object' || state === null || Array.isArray(state)) {
    const what = Array.isArray(state) ? 'an array' : String(state)
    throw new Broken(
      'small-state',
      `${when} ${what} as small state: return a plain object, for example { step: 0 }`,
    )
  }
  const encoded = encode('small-state', state, 'the small state')
  const paged = pagedPaths(state, (array) => bench.isPaged(array))
  if (paged.length > 0) {
    throw new Broken(
      'small-state',
      `the small state ${listed(paged)} is a view of a tensor, and would come back from a move as a copy: leave it out, the tensor moves by itself`,
    )
  }
  const back = decodeValue(encoded)
  const lost = Object.keys(state).filter((key) => !isDeepStrictEqual(state[key], (back as SmallState)[key]))
  const different = stateDifference(encoded, encodeValue(back))
  if (lost.length > 0 || different !== undefined || !isDeepStrictEqual(state, back)) {
    const what = lost.length > 0 ? listed(lost) : (different ?? 'with its symbols or its prototype')
    throw new Broken(
      'small-state',
      `the small state ${what} comes back from a move as something else: keep plain objects, arrays, numbers, strings and plain typed arrays`,
    )
  }
  return encoded
}

/** Throws `Broken` for `delta`, or `loss-not-finite`. */
export function checkDeltaCanMove(delta: Delta, bench: Bench): void {
  checkDelta(delta, bench.program.deltaArrays)
  encode('delta', delta.values, "the delta's values")
  const paged = [
    ...pagedPaths(delta.arrays, (array) => bench.isPaged(array)),
    ...pagedPaths(delta.values, (array) => bench.isPaged(array)),
  ]
  if (paged.length > 0) {
    throw new Broken(
      'delta',
      `the delta's ${listed(paged)} is a view of paged memory, which the next apply writes over: copy it (array.slice())`,
    )
  }
}

/** A delta as it arrives on another host: the same bits, nothing shared. */
export function movedDelta({ arrays, values }: Delta): Delta {
  const copies = Object.entries(arrays).map(([name, array]): [string, TypedArray] => [name, array.slice()])
  return {
    arrays: Object.fromEntries(copies),
    values: decodeValue(encodeValue(values)) as Delta['values'],
  }
}

/** The entries in which two deltas differ by a bit. */
export function deltaDifferences(one: Delta, other: Delta): string[] {
  const names = new Set([...Object.keys(one.arrays), ...Object.keys(other.arrays)])
  const arrays = [...names].filter((name) => !sameBits(one.arrays[name], other.arrays[name]))
  const keys = new Set([...Object.keys(one.values), ...Object.keys(other.values)])
  const values = [...keys].filter(
    (key) => Buffer.compare(encodeValue(one.values[key]), encodeValue(other.values[key])) !== 0,
  )
  return [...arrays, ...values]
}

function sameBits(one: TypedArray | undefined, other: TypedArray | undefined): boolean {
  if (one === undefined || other === undefined) return false
  return Buffer.compare(bytesOf(one), bytesOf(other)) === 0
}

function bytesOf({ buffer, byteOffset, byteLength }: TypedArray): Uint8Array {
  return new Uint8Array(buffer, byteOffset, byteLength)
}

function encode(check: CheckName, value: unknown, what: string): Uint8Array {
  let encoded: Uint8Array
  try {
    encoded = encodeValue(value)
  } catch (error) {
    if (error instanceof GodwitError) throw new Broken(check, `${what}: ${error.message}`)
    throw error
  }
  if (encoded.length <= LIMITS.maxSmallStateBytes) return encoded
  const remedy =
    check === 'delta' ? 'declare large things as arrays of the delta' : 'keep large things in tensors'
  throw new Broken(
    check,
    `${what} took ${encoded.length} bytes, the limit is ${LIMITS.maxSmallStateBytes}: ${remedy}`,
  )
}

/** Where in a plain value typed arrays look at paged memory: `rows`, `tables.first`. */
function pagedPaths(
  value: Readonly<Record<string, unknown>>,
  isPaged: Bench['isPaged'],
  path = '',
): string[] {
  return Object.entries(value).flatMap(([key, item]) => {
    const at = path === '' ? key : `${path}.${key}`
    if (ArrayBuffer.isView(item)) return isPaged(item) ? [at] : []
    const nested = item as SmallValue
    return typeof nested === 'object' && nested !== null
      ? pagedPaths(nested as Record<string, unknown>, isPaged, at)
      : []
  })
}
