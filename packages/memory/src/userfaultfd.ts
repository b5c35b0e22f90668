/**
 * The kernel's own dirty tracking. Every page is write-protected; at the first write to a page the kernel lifts its
 * protection and lets the thread go on, without waking anybody (asynchronous mode). A scan asks which pages are
 * no longer protected and protects them again in the same breath, page table by page table, so a write falls
 * before or after it but never between. Nothing is copied and nothing is compared: memory that wasn't written
 * costs next to nothing to scan.
 *
 * Why not the older soft-dirty bits: kernels built without them accept the write to clear_refs all the same and
 * then report nothing, which would be a silent loss.
 *
 * Invariants:
 * - Only the sealed range is registered. V8 grows the memory by changing the protection of its mapping; growing
 *   past the range while armed is harmless (tested).
 * - Every buffer whose address the kernel is given is held by this object: a collected one would be unmapped and
 *   the call would fail with EFAULT.
 * - A scan that fails halfway may have taken pages that nobody was told of, so the next collect returns all.
 */
import assert from 'node:assert/strict'
import { closeSync, openSync } from 'node:fs'
import { GodwitError, PAGE_BYTES, PageSet } from '@godwit/protocol'
import type { DirtyTracker } from './dirty-tracker.ts'
import { type Kernel, loadKernel, PAGEMAP, REGION_WORDS } from './kernel.ts'

/** Regions that one scan can return: 96 KiB. */
const DEFAULT_REGIONS_PER_SCAN = 4096

export interface UserfaultfdOptions {
  /** Regions that one scan can return; when more are dirty the scan goes on where it stopped. */
  regionsPerScan?: number
  /** How the userfaultfd is had; `any` tries the device, then the syscall. */
  way?: 'any' | 'device' | 'syscall'
  kernel?: Kernel
}

export class UserfaultfdTracker implements DirtyTracker {
  readonly kind = 'userfaultfd'
  readonly pageCount: number
  readonly #kernel: Kernel
  readonly #image: Buffer
  readonly #start: number
  readonly #vector: BigUint64Array
  /** The vector's words as pairs of 32 bits: addresses are below 2^53, so plain numbers hold them. */
  readonly #halves: Uint32Array
  readonly #userfaultfd: number
  readonly #pagemap: number
  #state: 'disarmed' | 'armed' | 'closed' = 'disarmed'
  #scanFailed = false

  /**
   * Opens what it needs and watches nothing yet. `bytes` is the sealed arena: whole pages of WebAssembly memory.
   * Throws GodwitError `internal` or `out-of-memory` with the kernel's reason.
   */
  constructor(bytes: Uint8Array, options: UserfaultfdOptions = {}) {
    assert(bytes.length > 0 && bytes.length % PAGE_BYTES === 0, `${bytes.length} bytes are not whole pages`)
    this.pageCount = bytes.length / PAGE_BYTES
    this.#kernel = options.kernel ?? loadKernel()
    if (this.#kernel.pageBytes !== PAGE_BYTES) {
      throw new GodwitError(
        'internal',
        `The kernel's pages are ${this.#kernel.pageBytes} bytes, userfaultfd is used with ${PAGE_BYTES} only: use the compare tracker.`,
      )
    }
    this.#image = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length)
    this.#start = this.#kernel.addressOf(this.#image)
    assert(this.#start % PAGE_BYTES === 0, 'the memory does not start on a page')
    this.#vector = new BigUint64Array((options.regionsPerScan ?? DEFAULT_REGIONS_PER_SCAN) * REGION_WORDS)
    this.#halves = new Uint32Array(this.#vector.buffer)
    this.#userfaultfd = this.#kernel.openUserfaultfd(options.way)
    try {
      this.#pagemap = openSync(PAGEMAP, 'r') // Node opens everything close-on-exec.
    } catch (cause) {
      this.#kernel.close(this.#userfaultfd)
      throw new GodwitError(
        'internal',
        `${PAGEMAP} can't be read: mount /proc, or use the compare tracker.`,
        {
          cause,
        },
      )
    }
  }

  get isArmed(): boolean {
    return this.#state === 'armed'
  }

  get image(): Buffer {
    assert(this.#state === 'armed', `image of a ${this.#state} tracker`)
    return this.#image
  }

  arm(): void {
    assert(this.#state !== 'closed', 'arm of a closed tracker')
    if (this.#state === 'armed') return
    const { length } = this.#image
    this.#kernel.register(this.#userfaultfd, this.#start, length)
    try {
      this.#kernel.writeProtect(this.#userfaultfd, this.#start, length)
    } catch (error) {
      this.#kernel.unregister(this.#userfaultfd, this.#start, length)
      throw error
    }
    this.#scanFailed = false
    this.#state = 'armed'
  }

  collect(): PageSet {
    assert(this.#state === 'armed', `collect of a ${this.#state} tracker`)
    const everything = this.#scanFailed
    this.#scanFailed = true
    const written = this.#scan()
    this.#scanFailed = false
    return everything ? PageSet.full(this.pageCount) : written
  }

  #scan(): PageSet {
    const written = new PageSet(this.pageCount)
    const end = this.#start + this.#image.length
    for (let start = this.#start; start < end; ) {
      const { regionCount, walkEnd } = this.#kernel.scanWritten(this.#pagemap, start, end, this.#vector)
      for (let region = 0; region < regionCount; region++) {
        const firstPage = this.#pageAt(region * REGION_WORDS)
        written.addRun({ firstPage, pageCount: this.#pageAt(region * REGION_WORDS + 1) - firstPage })
      }
      assert(walkEnd > start, 'a scan did not advance')
      start = walkEnd
    }
    return written
  }

  /** The page whose address is in this word of the vector. */
  #pageAt(word: number): number {
    const low = this.#halves[word * 2] as number
    const high = this.#halves[word * 2 + 1] as number
    return (high * 2 ** 32 + low - this.#start) / PAGE_BYTES
  }

  disarm(): void {
    if (this.#state !== 'armed') return
    // Unregistering also lifts the protection of every page.
    this.#kernel.unregister(this.#userfaultfd, this.#start, this.#image.length)
    this.#state = 'disarmed'
  }

  close(): void {
    if (this.#state === 'closed') return
    this.#state = 'closed'
    // Closing the last descriptor unregisters what is registered, so a failing disarm can't stop it.
    this.#kernel.close(this.#userfaultfd)
    closeSync(this.#pagemap)
  }
}
