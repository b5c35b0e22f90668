/**
 * Inputs that are almost right: bytes of something valid, changed in a few places. Random bytes seldom get past the first check of a
 * decoder; these do, and bugs are behind it.
 *
 * fast-check draws numbers, which say what to change; it shrinks them to fewer and simpler changes.
 */
import fc from 'fast-check'

/** Four numbers: what is done, where, with what, and to how much. */
type Change = readonly [number, number, number, number]

const NUMBER = fc.nat(0x7fffffff)
const CHANGES: fc.Arbitrary<Change[]> = fc.array(fc.tuple(fc.nat(255), NUMBER, NUMBER, NUMBER), {
  minLength: 1,
  maxLength: 4,
})

/** Where limits, signs and sizes change. */
const NUMBERS = [
  0, 1, 2, 3, 7, 8, 15, 16, 31, 32, 63, 64, 65, 127, 128, 255, 256, 257, 1024, 4095, 4096, 4097, 65535, 65536,
  262144, 262145, 0x7fffffff, 0x80000000, 0xfffffffe, 0xffffffff,
] as const

/**
 * One of `valid`, changed; one input in eight is random bytes instead. `hot` bytes from the beginning on are where lengths and kinds are: most
 * changes fall there. `seal` makes what was changed look whole again (a checksum, a digest); half of the inputs are sealed.
 */
export function almost(
  valid: readonly Buffer[],
  { hot, seal }: { hot?: number; seal?: (bytes: Buffer) => Buffer } = {},
): fc.Arbitrary<Buffer> {
  const changed = fc
    .tuple(fc.nat(valid.length - 1), CHANGES, fc.boolean())
    .map(([which, changes, isSealed]) => {
      let bytes: Buffer = Buffer.from(valid[which] as Buffer)
      for (const change of changes) bytes = changedOnce(bytes, change, { valid, hot })
      return isSealed && seal !== undefined ? seal(bytes) : bytes
    })
  const random = fc.uint8Array({ maxLength: 96 }).map((bytes) => Buffer.from(bytes))
  return fc.oneof({ weight: 7, arbitrary: changed }, { weight: 1, arbitrary: random })
}

function changedOnce(
  bytes: Buffer,
  [what, where, value, size]: Change,
  { valid, hot }: { valid: readonly Buffer[]; hot: number | undefined },
): Buffer {
  const range = hot !== undefined && value % 4 !== 0 ? Math.min(hot, bytes.length) : bytes.length
  if (range === 0) return Buffer.of(value & 255)
  const at = where % range
  const count = 1 + (size % Math.min(64, bytes.length))
  const number = NUMBERS[value % NUMBERS.length] as number
  switch (what % 10) {
    case 0:
      bytes.writeUInt8(bytes.readUInt8(at) ^ (1 << (value & 7)), at)
      return bytes
    case 1:
      bytes.writeUInt8((size % 2 === 0 ? number : size >>> 1) & 255, at)
      return bytes
    case 2:
      return bytes.subarray(0, at)
    case 3:
      if (at + 4 <= bytes.length) bytes.writeUInt32LE(number, at)
      return bytes
    case 4:
      if (at + 4 <= bytes.length) bytes.writeUInt32BE(number, at)
      return bytes
    case 5: {
      const aligned = at & ~3
      if (aligned + 4 <= bytes.length)
        bytes.writeUInt32LE((bytes.readUInt32LE(aligned) + (size % 5) - 2) >>> 0, aligned)
      return bytes
    }
    case 6:
      // A part once more.
      return Buffer.concat([bytes.subarray(0, at), bytes.subarray(at, at + count), bytes.subarray(at)])
    case 7:
      return Buffer.concat([bytes.subarray(0, at), bytes.subarray(at + count)])
    case 8: {
      // The beginning of one, the end of another.
      const other = valid[value % valid.length] as Buffer
      return Buffer.concat([bytes.subarray(0, at), other.subarray(Math.min(at, other.length))])
    }
    default: {
      // Two parts in the other order.
      const middle = Math.min(at + count, bytes.length)
      const end = Math.min(middle + count, bytes.length)
      return Buffer.concat([
        bytes.subarray(0, at),
        bytes.subarray(middle, end),
        bytes.subarray(at, middle),
        bytes.subarray(end),
      ])
    }
  }
}

/** Text that is almost one of `valid`. */
export function almostText(valid: readonly string[]): fc.Arbitrary<string> {
  const changed = almost(valid.map((text) => Buffer.from(text))).map((bytes) => bytes.toString())
  return fc.oneof(
    { weight: 7, arbitrary: changed },
    { weight: 1, arbitrary: fc.string({ unit: 'binary', maxLength: 300 }) },
  )
}

/** What to do to a tree of plain data: `changeValue` understands it. */
export const VALUE_CHANGES = CHANGES

/** What schemas seldom expect. */
const STRANGE: readonly unknown[] = [
  Number.NaN,
  Number.POSITIVE_INFINITY,
  -0,
  -1,
  0.5,
  1e308,
  2 ** 53,
  -(2 ** 53),
  2n ** 80n,
  0n,
  '',
  '..',
  '../../etc/passwd',
  'a\0b',
  '\u001b[2J',
  'x'.repeat(201),
  '\ud800',
  null,
  undefined,
  true,
  [],
  {},
  [[[[[[]]]]]],
  new Uint8Array(3),
  new Float64Array(2),
]
/** These take long to make and to send, and come seldom. */
const LARGE: readonly unknown[] = [
  'x'.repeat(5000),
  Array.from({ length: 300 }, (_, index) => index),
  Object.fromEntries(Array.from({ length: 300 }, (_, index) => [`k${index}`, index])),
]
const STRANGE_KEYS = [
  'constructor',
  'toString',
  'hasOwnProperty',
  'type',
  'message',
  '',
  'x'.repeat(3000),
  '\u001b[2J',
  '0',
  '-1',
]

/** A copy of `value` with one place of it changed: another value there, a field more or less, an element many times. */
export function changeValue(value: unknown, [what, where, which, size]: Change): unknown {
  const copy = copyOf(value)
  const places = placesIn(copy)
  const place = places[where % Math.max(1, places.length)]
  const isLarge = size % 50 === 0
  const strange = (isLarge ? LARGE[which % LARGE.length] : STRANGE[which % STRANGE.length]) as unknown
  if (place === undefined) return strange
  const { parent, key } = place
  const record = parent as Record<string | number, unknown>
  switch (what % 5) {
    case 0:
    case 1:
      record[key] = strange
      return copy
    case 2:
      if (Array.isArray(parent)) parent.splice(Number(key), 1)
      else delete record[key]
      return copy
    case 3:
      if (Array.isArray(parent))
        parent.push(...Array.from({ length: isLarge ? 600 : size % 3 }, () => parent[Number(key)]))
      else record[STRANGE_KEYS[which % STRANGE_KEYS.length] as string] = strange
      return copy
    default: {
      const other = places[which % places.length] as Place
      record[key] = copyOf((other.parent as Record<string | number, unknown>)[other.key])
      return copy
    }
  }
}

/** Of plain data; bytes are shared. */
function copyOf(value: unknown): unknown {
  if (typeof value !== 'object' || value === null || ArrayBuffer.isView(value)) return value
  if (Array.isArray(value)) return value.map(copyOf)
  const copy: Record<string, unknown> = {}
  for (const key of Object.keys(value)) copy[key] = copyOf((value as Record<string, unknown>)[key])
  return copy
}

interface Place {
  readonly parent: object
  readonly key: string | number
}

function placesIn(value: unknown): Place[] {
  const places: Place[] = []
  const waiting = [value]
  while (waiting.length > 0) {
    const parent = waiting.pop()
    if (typeof parent !== 'object' || parent === null || ArrayBuffer.isView(parent)) continue
    for (const [key, item] of Object.entries(parent)) {
      places.push({ parent, key })
      waiting.push(item)
    }
  }
  return places
}
