/**
 * Values to bytes and back without losing a bit: for a program's small state, for losses, for every message.
 *
 * msgpackr does the work, set up so that it keeps what plain MessagePack loses: typed arrays come back as what
 * they were (NaN payloads included), bigints stay bigints. Two things need help: -0, which it would write as the
 * integer 0, travels as an extension of our own; and bytes from outside are walked once by `checkStructure` before
 * msgpackr sees them, because a length in them would otherwise be allocated before anything is known about it.
 *
 * Values are trees of plain data. What can't be carried (functions, class instances, cycles) is refused when it
 * is encoded, where its author can be told.
 */
import { addExtension, Packr } from 'msgpackr'
import { GodwitError } from './errors.ts'
import { LIMITS } from './limits.ts'
import { checkStructure } from './wire-structure.ts'

class NegativeZero {}
const NEGATIVE_ZERO = new NegativeZero()

/** Extension type of -0; assigned by hand, never reused. */
addExtension({
  Class: NegativeZero,
  type: 1,
  pack: () => Buffer.alloc(0),
  unpack: () => -0 as unknown as NegativeZero,
})

const packr = new Packr({
  useRecords: false,
  moreTypes: true,
  variableMapSize: true,
  int64AsType: 'bigint',
  copyBuffers: true,
})

const TYPED_ARRAYS: readonly unknown[] = [Float32Array, Float64Array, Int32Array, Uint32Array, Uint8Array]

/** Encodes a plain value. Throws `program-invalid` naming the path of what can't be carried. */
export function encodeValue(value: unknown): Buffer {
  return Buffer.from(packr.pack(portable(value, { path: '', depth: 0, count: { containers: 0 } })))
}

/** Decodes what `encodeValue` wrote; anything else throws `bad-message` or `too-large`. Copies: keeps no view of `bytes`. */
export function decodeValue(bytes: Uint8Array): unknown {
  checkStructure(bytes)
  try {
    return packr.unpack(bytes)
  } catch (error) {
    throw new GodwitError('bad-message', `not a message: ${(error as Error).message}`, { cause: error })
  }
}

/** Where a value stands in the tree, and what all of the tree has so far. */
interface Place {
  readonly path: string
  readonly depth: number
  readonly count: { containers: number }
}

function portable(value: unknown, at: Place): unknown {
  const { path, depth } = at
  if (depth > LIMITS.maxMessageDepth) refuse(path, `is nested deeper than ${LIMITS.maxMessageDepth}`)
  switch (typeof value) {
    case 'number':
      return Object.is(value, -0) ? NEGATIVE_ZERO : value
    case 'string':
    case 'boolean':
    case 'bigint':
    case 'undefined':
      return value
    case 'object':
      return portableObject(value, at)
    default:
      return refuse(path, `is a ${typeof value}`)
  }
}

function portableObject(value: object | null, { path, depth, count }: Place): unknown {
  if (value === null) return value
  count.containers += 1
  if (count.containers > LIMITS.maxMessageContainers)
    refuse(path, `is one of more than ${LIMITS.maxMessageContainers} arrays and objects`)
  if (ArrayBuffer.isView(value)) {
    if (Buffer.isBuffer(value)) return new Uint8Array(value)
    return TYPED_ARRAYS.includes(value.constructor) ? value : refuse(path, `is a ${value.constructor.name}`)
  }
  const inner = (key: string): Place => ({ path: `${path}${key}`, depth: depth + 1, count })
  if (Array.isArray(value)) return Array.from(value, (item, index) => portable(item, inner(`[${index}]`)))
  const prototype: unknown = Object.getPrototypeOf(value)
  if (prototype !== Object.prototype && prototype !== null) refuse(path, `is a ${value.constructor.name}`)
  const copy: Record<string, unknown> = {}
  for (const [key, item] of Object.entries(value)) {
    if (key === '__proto__') refuse(path, 'has a key named __proto__')
    copy[key] = portable(item, inner(`.${key}`))
  }
  return copy
}

function refuse(path: string, what: string): never {
  throw new GodwitError(
    'program-invalid',
    `${path === '' ? 'the value' : path.replace(/^\./, '')} ${what}: only plain data can move`,
  )
}
