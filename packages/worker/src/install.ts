/** Puts the pages of a frame where they belong: the target's half of what FrameEncoder does. */
import { copyBytes, type XorDecoder } from '@godwit/memory'
import { type BulkFrame, PAGE_BYTES } from '@godwit/protocol'

/** `decoder` is asked for by the first frame that needs it. Errors: `bad-frame` when planes are not what the runs say. */
export function installPages(frame: BulkFrame, paged: Uint8Array, decoder?: () => XorDecoder): void {
  if (frame.kind !== 'pages') return
  let payloadAt = 0
  for (const { firstPage, pageCount, encoding } of frame.runs) {
    const [from, length] = [firstPage * PAGE_BYTES, pageCount * PAGE_BYTES]
    if (encoding === 'zero') paged.fill(0, from, from + length)
    if (encoding !== 'raw') continue
    copyBytes(paged.subarray(from), frame.payload.subarray(payloadAt, payloadAt + length))
    payloadAt += length
  }
  if (frame.planes !== undefined) decoder?.().install(frame.runs, frame.planes, paged)
}
