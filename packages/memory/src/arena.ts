/**
 * The arena: where a program's tensors live. One shared WebAssembly memory, tensors one after another from byte 0,
 * each on pages of its own.
 *
 * Why WebAssembly memory and not a SharedArrayBuffer: the engine maps it straight from the kernel, page-aligned,
 * reserves address space for its greatest size, and never moves it. The kernel's dirty tracking needs the first
 * and the last; views that survive growing are a gift. Memory that nobody has touched costs nothing.
 *
 * One thread makes the memory (the pager), another lays the tensors out in it (the training thread), so an arena
 * is built *on* a memory. There is one arena to a memory: a second would hand out the same bytes again.
 *
 * Invariants: after `seal` the layout never changes; a layout has at least one page, so that nothing downstream
 * has to think of empty memory; what nobody has written yet is zero.
 */
import { GodwitError, LIMITS, PAGE_BYTES } from '@godwit/protocol'
import {
  type ArenaLayout,
  type Dtype,
  type DtypeArrays,
  type TensorLayout,
  tensorByteLength,
  tensorView,
  wholePages,
} from './layout.ts'
import type { SharedMemory } from './webassembly.ts'

const WASM_PAGE_BYTES = 65_536

export class Arena {
  readonly memory: SharedMemory
  readonly #tensors: TensorLayout[] = []
  readonly #names = new Set<string>()
  #endByte = 0
  #layout: ArenaLayout | undefined

  /** Lays tensors out in `memory` from byte 0 on. Take a fresh one: tensors are promised to start as zeros. */
  constructor(memory: SharedMemory = Arena.createMemory()) {
    this.memory = memory
  }

  /**
   * Memory for an arena: 64 KiB now, up to 4 GiB of address space reserved. Throws `out-of-memory` where a limit
   * on address space (`ulimit -v`) forbids that.
   */
  static createMemory(): SharedMemory {
    try {
      return new WebAssembly.Memory({
        shared: true,
        initial: 1,
        maximum: LIMITS.maxArenaBytes / WASM_PAGE_BYTES,
      })
    } catch (cause) {
      throw new GodwitError(
        'out-of-memory',
        `Address space for ${LIMITS.maxArenaBytes} bytes of paged memory could not be reserved; lift the limit (ulimit -v).`,
        { cause },
      )
    }
  }

  get isSealed(): boolean {
    return this.#layout !== undefined
  }

  /**
   * A zero-filled tensor on pages of its own, as a flat row-major view that stays valid for the memory's life.
   * Throws `program-invalid` for a declaration that makes no sense, `out-of-memory` when the host has no more.
   */
  tensor<D extends Dtype>(name: string, dtype: D, shape: readonly number[]): DtypeArrays[D] {
    if (this.#layout !== undefined) invalid(name, 'it is declared after setup; declare every tensor in setup')
    if (typeof name !== 'string' || name === '' || name.length > LIMITS.maxNameLength) {
      invalid(name, `a name is a string of 1 to ${LIMITS.maxNameLength} characters`)
    }
    if (this.#names.has(name)) invalid(name, 'the name is taken; give each tensor its own')
    if (this.#tensors.length === LIMITS.maxTensors) {
      invalid(name, `there are ${LIMITS.maxTensors} tensors already; put several into one`)
    }
    const byteLength = tensorByteLength(dtype, shape)
    if (typeof byteLength === 'string') invalid(name, byteLength)
    const byteOffset = this.#endByte
    const endByte = byteOffset + wholePages(byteLength)
    if (endByte > LIMITS.maxArenaBytes) {
      invalid(
        name,
        `with it the tensors take ${endByte} bytes, and an arena holds ${LIMITS.maxArenaBytes}; make the model smaller`,
      )
    }
    this.#growTo(endByte, name)
    const tensor = { name, dtype, shape: Object.freeze([...shape]), byteOffset, byteLength }
    this.#tensors.push(Object.freeze(tensor))
    this.#names.add(name)
    this.#endByte = endByte
    return tensorView(this.memory.buffer, tensor)
  }

  /** Ends the layout and returns it; again the same when called again. */
  seal(): ArenaLayout {
    if (this.#layout === undefined) {
      const byteLength = Math.max(this.#endByte, PAGE_BYTES)
      this.#growTo(byteLength, 'the arena')
      this.#layout = Object.freeze({
        tensors: Object.freeze(this.#tensors),
        byteLength,
        pageCount: byteLength / PAGE_BYTES,
      })
    }
    return this.#layout
  }

  #growTo(byteLength: number, name: string): void {
    const missingBytes = byteLength - this.memory.buffer.byteLength
    if (missingBytes <= 0) return
    try {
      this.memory.grow(Math.ceil(missingBytes / WASM_PAGE_BYTES))
    } catch (cause) {
      throw new GodwitError(
        'out-of-memory',
        `Paged memory could not grow to ${byteLength} bytes for ${JSON.stringify(name)}; use a smaller model or a host (or container limit) with more memory.`,
        { cause },
      )
    }
  }
}

function invalid(name: unknown, why: string): never {
  throw new GodwitError('program-invalid', `Tensor ${JSON.stringify(name)} can't be declared: ${why}.`)
}
