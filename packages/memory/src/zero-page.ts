/**
 * Pages of zeros carry no payload: the frame names them as a run and the target writes the zeros itself. Much of a
 * young arena is such pages (moments before the first step, rows never touched), so every page is asked.
 */
import assert from 'node:assert/strict'
import { PAGE_BYTES } from '@godwit/protocol'

const ZERO_PAGE = Buffer.alloc(PAGE_BYTES)

/**
 * Whether the page at `byteOffset` is all zeros. The first byte is looked at before memory is compared: that
 * spares most pages of a trained model the call.
 */
export function isZeroPage(image: Buffer, byteOffset: number): boolean {
  assert(byteOffset >= 0 && byteOffset + PAGE_BYTES <= image.length, `no page at ${byteOffset}`)
  return (
    image[byteOffset] === 0 &&
    image.compare(ZERO_PAGE, 0, PAGE_BYTES, byteOffset, byteOffset + PAGE_BYTES) === 0
  )
}
