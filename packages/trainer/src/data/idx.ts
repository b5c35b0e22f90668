/**
 * The IDX format of the MNIST files: a big-endian header, then the elements row-major. (LeCun, Cortes, Burges: "The
 * MNIST database", its section on file formats: two zero bytes, a type code, the number of dimensions, one uint32
 * for each of them.)
 *
 * A file is taken only if its header and its length agree: a truncated download must not train.
 */

/** Unsigned bytes, the only element type that MNIST uses. */
const TYPE_UINT8 = 0x08

/** `data` is a view of the file's bytes, of as many elements as the product of `shape`. */
export interface IdxArray {
  readonly shape: readonly number[]
  readonly data: Uint8Array
}

/**
 * @param rank the number of dimensions to insist on: 3 for images, 1 for labels.
 * @throws RangeError naming the file and what is wrong with it.
 */
export function parseIdx(bytes: Uint8Array, rank: number, fileName: string): IdxArray {
  const fail = (why: string): never => {
    throw new RangeError(`${fileName} is not the IDX file it should be: ${why}.`)
  }
  const headerBytes = 4 + 4 * rank
  if (bytes.length < headerBytes) fail(`${bytes.length} bytes are too few for its header`)
  const header = new DataView(bytes.buffer, bytes.byteOffset, headerBytes)
  const magic = header.getUint32(0)
  const expected = (TYPE_UINT8 << 8) | rank
  if (magic !== expected) fail(`it starts with 0x${magic.toString(16)}, not 0x${expected.toString(16)}`)
  const shape = Array.from({ length: rank }, (_, i) => header.getUint32(4 + 4 * i))
  const count = shape.reduce((product, size) => product * size, 1)
  if (bytes.length !== headerBytes + count) {
    fail(`${shape.join(' x ')} elements need ${headerBytes + count} bytes and it has ${bytes.length}`)
  }
  return { shape, data: bytes.subarray(headerBytes) }
}
