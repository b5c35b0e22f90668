/**
 * The layout: which tensor lies where in paged memory. It is all that a second thread or a second host needs in
 * order to make sense of the bytes, so it is plain data, and it is never believed: another thread's or a peer's
 * layout is checked before a view is made from it.
 *
 * Invariants of a checked layout: tensors stand in ascending order, each starts on a page of its own (so that no
 * two tensors ever share a dirty page), `byteLength` is a positive multiple of the page size and holds them all.
 */
import { createHash } from 'node:crypto'
import { GodwitError, LIMITS, PAGE_BYTES } from '@godwit/protocol'
import type { SharedMemory } from './webassembly.ts'

/** Element types of a tensor. Little-endian in memory, as on every machine that runs Node.js. */
export type Dtype = 'float32' | 'float64' | 'int32' | 'uint32' | 'uint8'

export interface DtypeArrays {
  float32: Float32Array
  float64: Float64Array
  int32: Int32Array
  uint32: Uint32Array
  uint8: Uint8Array
}

type ViewClasses = {
  [D in Dtype]: {
    readonly BYTES_PER_ELEMENT: number
    new (buffer: ArrayBufferLike, byteOffset: number, length: number): DtypeArrays[D]
  }
}

const VIEW_CLASSES: ViewClasses = {
  float32: Float32Array,
  float64: Float64Array,
  int32: Int32Array,
  uint32: Uint32Array,
  uint8: Uint8Array,
}

/** A limit only so that a layout from outside is bounded; no program comes near it. */
const MAX_DIMENSIONS = 16

export interface TensorLayout {
  readonly name: string
  readonly dtype: Dtype
  /** Positive integers, row-major; [] is a scalar. */
  readonly shape: readonly number[]
  /** A multiple of the page size. */
  readonly byteOffset: number
  /** Bytes of the elements alone. What is left of the last page belongs to nobody, but is paged all the same. */
  readonly byteLength: number
}

export interface ArenaLayout {
  readonly tensors: readonly TensorLayout[]
  /** Bytes from 0 that are paged: a positive multiple of the page size. */
  readonly byteLength: number
  readonly pageCount: number
}

/** `bytes` rounded up to whole pages. Exact up to 2^53. */
export function wholePages(bytes: number): number {
  return Math.ceil(bytes / PAGE_BYTES) * PAGE_BYTES
}

/** Bytes of a tensor, or what is wrong with its declaration as a sentence. */
export function tensorByteLength(dtype: unknown, shape: unknown): number | string {
  if (typeof dtype !== 'string' || !Object.hasOwn(VIEW_CLASSES, dtype)) {
    return `its dtype is ${JSON.stringify(dtype)}; use one of ${Object.keys(VIEW_CLASSES).join(', ')}`
  }
  if (!Array.isArray(shape) || shape.length > MAX_DIMENSIONS) {
    return `its shape is no array of at most ${MAX_DIMENSIONS} dimensions`
  }
  let bytes: number = VIEW_CLASSES[dtype as Dtype].BYTES_PER_ELEMENT
  for (const dimension of shape as unknown[]) {
    if (!Number.isSafeInteger(dimension) || (dimension as number) < 1) {
      return `its shape [${shape.join(', ')}] has a dimension that is no positive integer`
    }
    bytes *= dimension as number
    if (bytes > LIMITS.maxArenaBytes) {
      return `its shape [${shape.join(', ')}] takes more than the ${LIMITS.maxArenaBytes} bytes an arena can hold; use fewer or smaller dimensions`
    }
  }
  return bytes
}

/**
 * Checks a layout that came from outside and returns it, stripped of everything that is not layout.
 * Throws GodwitError `bad-message` with the first thing that is wrong.
 */
export function checkLayout(value: unknown): ArenaLayout {
  const { tensors, byteLength, pageCount } = record(value, 'the layout')
  if (!Array.isArray(tensors)) malformed('it has no list of tensors')
  if (tensors.length > LIMITS.maxTensors)
    malformed(`${tensors.length} tensors are above ${LIMITS.maxTensors}`)
  const checked: TensorLayout[] = []
  const names = new Set<string>()
  let endByte = 0
  for (const [index, tensor] of tensors.entries()) {
    const found = checkTensor(tensor, `tensor ${index}`)
    if (names.has(found.name)) malformed(`two tensors are named ${JSON.stringify(found.name)}`)
    if (found.byteOffset < endByte) malformed(`tensor ${index} overlaps the one before`)
    names.add(found.name)
    endByte = wholePages(found.byteOffset + found.byteLength)
    checked.push(found)
  }
  if (!isWholePages(byteLength) || byteLength < endByte || byteLength > LIMITS.maxArenaBytes) {
    malformed(
      `its byteLength ${String(byteLength)} does not hold its ${endByte} bytes of tensors in whole pages`,
    )
  }
  if (pageCount !== byteLength / PAGE_BYTES) {
    malformed(`its pageCount ${String(pageCount)} differs from its ${byteLength} bytes`)
  }
  return { tensors: checked, byteLength, pageCount }
}

function checkTensor(value: unknown, which: string): TensorLayout {
  const { name, dtype, shape, byteOffset, byteLength } = record(value, which)
  if (typeof name !== 'string' || name === '' || name.length > LIMITS.maxNameLength) {
    malformed(`${which} has no name, or one longer than ${LIMITS.maxNameLength}`)
  }
  const expected = tensorByteLength(dtype, shape)
  if (typeof expected === 'string') malformed(`${which}: ${expected}`)
  if (byteLength !== expected) malformed(`${which} has ${String(byteLength)} bytes instead of ${expected}`)
  if (byteOffset !== 0 && !isWholePages(byteOffset)) {
    malformed(`${which} starts at ${String(byteOffset)}, which is no page`)
  }
  return { name, dtype: dtype as Dtype, shape: [...(shape as number[])], byteOffset, byteLength: expected }
}

function record(value: unknown, what: string): Record<string, unknown> {
  if (typeof value !== 'object' || value === null) malformed(`${what} is no object`)
  return value as Record<string, unknown>
}

function isWholePages(value: unknown): value is number {
  return Number.isSafeInteger(value) && (value as number) > 0 && (value as number) % PAGE_BYTES === 0
}

function malformed(what: string): never {
  throw new GodwitError('bad-message', `A memory layout is malformed: ${what}.`)
}

/**
 * Exactly the paged bytes of `memory`. The layout is checked; a memory that is shorter than its layout says is
 * refused with GodwitError `layout-differs`.
 */
export function arenaBytes(memory: SharedMemory, layout: ArenaLayout): Uint8Array {
  const { byteLength } = checkLayout(layout)
  // V8 tells a thread of another's growth at its next interrupt check. In tests that had always happened by now;
  // growing by nothing makes sure.
  if (memory.buffer.byteLength < byteLength) memory.grow(0)
  const { buffer } = memory
  if (buffer.byteLength < byteLength) {
    throw new GodwitError(
      'layout-differs',
      `The layout covers ${byteLength} bytes but the memory has ${buffer.byteLength}: they don't belong together.`,
    )
  }
  return new Uint8Array(buffer, 0, byteLength)
}

/** The paged bytes together with a view for each tensor, by name. Checks and errors as in `arenaBytes`. */
export function attachLayout(
  memory: SharedMemory,
  layout: ArenaLayout,
): { bytes: Uint8Array; tensors: ReadonlyMap<string, DtypeArrays[Dtype]> } {
  const bytes = arenaBytes(memory, layout)
  const tensors = new Map<string, DtypeArrays[Dtype]>()
  for (const tensor of checkLayout(layout).tensors) tensors.set(tensor.name, tensorView(bytes.buffer, tensor))
  return { bytes, tensors }
}

/** The flat view over one tensor. The caller vouches for the layout. */
export function tensorView<D extends Dtype>(
  buffer: ArrayBufferLike,
  { dtype, byteOffset, byteLength }: TensorLayout & { dtype: D },
): DtypeArrays[D] {
  const View = VIEW_CLASSES[dtype]
  return new View(buffer, byteOffset, byteLength / View.BYTES_PER_ELEMENT)
}

/** SHA-256, in hex, of everything about a layout that both hosts must agree on: name, dtype, shape and place, in order. */
export function layoutDigest(layout: ArenaLayout): string {
  const plain = layout.tensors.map(({ name, dtype, shape, byteOffset }) => [name, dtype, shape, byteOffset])
  return createHash('sha256')
    .update(JSON.stringify([layout.byteLength, plain]))
    .digest('hex')
}

/** OpenSSL takes at most 2^31 - 1 bytes a call. */
const DIGEST_CHUNK_BYTES = 64 * 1024 * 1024

/** SHA-256, in hex, of memory that nobody writes meanwhile (a parked thread's). About a second for a gigabyte. */
export function arenaDigest(bytes: Uint8Array): string {
  const hash = createHash('sha256')
  for (let offset = 0; offset < bytes.length; offset += DIGEST_CHUNK_BYTES) {
    hash.update(bytes.subarray(offset, offset + DIGEST_CHUNK_BYTES))
  }
  return hash.digest('hex')
}
