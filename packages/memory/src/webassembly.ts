/**
 * The types of shared WebAssembly memory. They are part of the DOM library, which knows a thousand names that
 * Node lacks, so the one class that is used here is declared instead.
 */
declare global {
  namespace WebAssembly {
    interface MemoryDescriptor {
      /** In WebAssembly pages of 64 KiB. */
      initial: number
      maximum: number
      shared: true
    }

    /**
     * Shared linear memory. Posting it to another thread shares it. (WebAssembly threads proposal, section
     * "Shared Linear Memory".)
     */
    class Memory {
      constructor(descriptor: MemoryDescriptor)
      /** A new object after each growth; objects from before stay valid, with their old length. */
      readonly buffer: SharedArrayBuffer
      /** Grows by so many pages of 64 KiB and returns the size before. Throws RangeError when it can't. */
      grow(wasmPages: number): number
    }
  }
}

/** Paged memory as every thread of a worker process holds it. */
export type SharedMemory = WebAssembly.Memory
