/**
 * A walk over MessagePack bytes that allocates nothing: does every length fit into what was sent, is nothing
 * nested too deep, is every extension one of ours?
 *
 * A MessagePack array header of five bytes can announce four thousand million elements, and a decoder that
 * believes it has allocated before it finds the end of the input. After this walk each announced element is known
 * to be there. Keys are strings, as those of a plain object are: a decoder makes one of anything else, and of an integer of a
 * million bytes that takes seconds.
 *
 * Source: the MessagePack specification (github.com/msgpack/msgpack/blob/master/spec.md).
 */
import { GodwitError } from './errors.ts'
import { LIMITS } from './limits.ts'

/** undefined, our -0, msgpackr's big integers ('B') and typed arrays ('t'). */
const EXTENSIONS = new Set([0, 1, 0x42, 0x74])
const TYPED_ARRAY = 0x74
/** Bytes of an element, by the number of the type: Uint8, Int32, Uint32, Float32, Float64. */
const ELEMENT_BYTES: Readonly<Record<number, number>> = { 1: 1, 5: 4, 6: 4, 7: 4, 8: 8 }

/** Throws `bad-message` or `too-large` unless `bytes` are exactly one well-formed value within the limits. */
export function checkStructure(bytes: Uint8Array): void {
  if (bytes.length > LIMITS.maxControlMessageBytes) {
    throw new GodwitError(
      'too-large',
      `a message of ${bytes.length} bytes, the limit is ${LIMITS.maxControlMessageBytes}`,
    )
  }
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  let at = 0
  let containers = 0

  function take(count: number): number {
    const from = at
    at += count
    if (at > bytes.length) malformed('it ends too early')
    return from
  }
  function skip(count: number): void {
    take(count)
  }
  function length(width: 1 | 2 | 4): number {
    const from = take(width)
    return width === 1 ? view.getUint8(from) : width === 2 ? view.getUint16(from) : view.getUint32(from)
  }
  function container(): void {
    containers += 1
    if (containers > LIMITS.maxMessageContainers)
      malformed(`it has more than ${LIMITS.maxMessageContainers} arrays and maps`)
  }
  function items(count: number, depth: number): void {
    container()
    if (count > bytes.length - at)
      malformed(`${count} elements are announced and ${bytes.length - at} bytes left`)
    for (let index = 0; index < count; index++) value(depth + 1)
  }
  function entries(count: number, depth: number): void {
    container()
    if (2 * count > bytes.length - at)
      malformed(`${count} entries are announced and ${bytes.length - at} bytes left`)
    for (let index = 0; index < count; index++) {
      if (at < bytes.length && !startsString(view.getUint8(at))) malformed('a key is no string')
      value(depth + 1)
      value(depth + 1)
    }
  }
  function extension(count: number): void {
    const type = view.getUint8(take(1))
    if (!EXTENSIONS.has(type)) malformed(`extension ${type} is unknown`)
    const from = take(count)
    if (type === TYPED_ARRAY) typedArray(from, count)
  }
  function typedArray(from: number, count: number): void {
    container()
    const elementBytes = count === 0 ? undefined : ELEMENT_BYTES[view.getUint8(from)]
    if (elementBytes === undefined) malformed('a typed array of an unknown type')
    if ((count - 1) % elementBytes !== 0) malformed('a typed array that ends within an element')
  }
  function value(depth: number): void {
    if (depth > LIMITS.maxMessageDepth) malformed(`it is nested deeper than ${LIMITS.maxMessageDepth}`)
    const tag = view.getUint8(take(1))
    if (tag <= 0x7f || tag >= 0xe0) return
    if (tag <= 0x8f) return entries(tag & 15, depth)
    if (tag <= 0x9f) return items(tag & 15, depth)
    if (tag <= 0xbf) return skip(tag & 31)
    switch (tag) {
      case 0xc0: // nil
      case 0xc2: // false
      case 0xc3: // true
        return
      case 0xc4: // bin 8
      case 0xd9: // str 8
        return skip(length(1))
      case 0xc5:
      case 0xda:
        return skip(length(2))
      case 0xc6:
      case 0xdb:
        return skip(length(4))
      case 0xc7: // ext 8
        return extension(length(1))
      case 0xc8:
        return extension(length(2))
      case 0xc9:
        return extension(length(4))
      case 0xcc: // uint 8
      case 0xd0: // int 8
        return skip(1)
      case 0xcd:
      case 0xd1:
        return skip(2)
      case 0xca: // float 32
      case 0xce:
      case 0xd2:
        return skip(4)
      case 0xcb: // float 64
      case 0xcf:
      case 0xd3:
        return skip(8)
      case 0xd4: // fixext 1, 2, 4, 8, 16
      case 0xd5:
      case 0xd6:
      case 0xd7:
      case 0xd8:
        return extension(1 << (tag - 0xd4))
      case 0xdc: // array 16
        return items(length(2), depth)
      case 0xdd:
        return items(length(4), depth)
      case 0xde: // map 16
        return entries(length(2), depth)
      case 0xdf:
        return entries(length(4), depth)
      default:
        malformed(`byte 0x${tag.toString(16)} starts no value`)
    }
  }

  value(0)
  if (at !== bytes.length) malformed(`${bytes.length - at} bytes follow the message`)
}

function startsString(tag: number): boolean {
  return (tag >= 0xa0 && tag <= 0xbf) || (tag >= 0xd9 && tag <= 0xdb)
}

function malformed(what: string): never {
  throw new GodwitError('bad-message', `not a message: ${what}`)
}
