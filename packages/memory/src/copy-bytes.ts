/**
 * Copies bytes between shared memory and buffers as fast as memory goes, wherever they lie.
 *
 * `TypedArray.set` copies shared memory word by word, so that no word is torn, and *byte by byte* when source and target
 * are not aligned alike: 1.8 GB/s where memmove gives 8. A frame's payload stands at any offset, so that is the usual case. Nobody
 * needs whole words here: a page that is written while it is copied is dirty again, and comes again.
 */
import { createRequire } from 'node:module'
import type { CopyBytes } from '@godwit/protocol'

type Memmove = (to: Uint8Array, from: Uint8Array, bytes: number) => unknown

function bindMemmove(): Memmove | undefined {
  try {
    // Required here, not imported above: a platform without its binary copies more slowly, and that is all.
    const koffi = createRequire(import.meta.url)('koffi') as typeof import('koffi')
    return koffi.load(null).func('uintptr_t memmove(void *to, void *from, size_t bytes)')
  } catch {
    return undefined
  }
}

const memmove = bindMemmove()

/** `to` must be at least as long as `from`. */
export const copyBytes: CopyBytes = (to, from) => {
  if (from.length > to.length) throw new RangeError(`${from.length} bytes into ${to.length}`)
  if (memmove === undefined) to.set(from)
  else memmove(to, from, from.length)
}
