/**
 * The few parts of the `WebAssembly` global that this room touches, with types. They belong to the DOM library, which
 * brings a thousand names that Node does not have; and a global declaration of our own could meet another room's.
 */
interface WebAssemblyParts {
  validate(bytes: Uint8Array<ArrayBuffer>): boolean
  Module: new (bytes: Uint8Array<ArrayBuffer>) => object
  /** Sizes in WebAssembly pages of 64 KiB. */
  Memory: new (limits: {
    initial: number
    maximum: number
    shared: true
  }) => { readonly buffer: SharedArrayBuffer }
}

/** The global itself: assigning to a member changes what everyone in this thread sees. */
export const wasm = (globalThis as unknown as { WebAssembly: WebAssemblyParts }).WebAssembly
