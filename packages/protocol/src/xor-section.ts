/**
 * How pages of the `xor` codec lie in a frame: the four byte planes of what changed since the target's copy.
 *
 * A weight that moved a little keeps its sign, its exponent and the top of its mantissa. XOR with the copy that the target
 * has leaves zeros there and noise below; grouping byte k of every 4-byte element puts the zeros side by side, where LZ4
 * finds them, and the noise where nobody has to look. So each plane stands on its own: as an LZ4 block, or stored.
 *
 * | offset | bytes | field |
 * |---|---|---|
 * | 0 | 16 | the lengths of the four planes, 4 bytes each, little-endian; plane 0 has the elements' lowest bytes |
 * | 16 | | the planes: of n pages 1024 n bytes as they are, or an LZ4 block that decodes to as many |
 *
 * A plane is stored exactly when its length is 1024 n. An LZ4 block carries no size of its own: the runs say it, so there is
 * no number by which a peer could ask for memory.
 *
 * Invariant: what `readXorSection` returns are four planes of which none is longer than decoded, all of the section and
 * no more; and the section is shorter than its pages, since otherwise they travel raw.
 */
import { GodwitError } from './errors.ts'
import { PAGE_BYTES } from './pages.ts'

/** Bytes of an element, hence planes. Elements of other sizes gain less and lose nothing. */
export const XOR_PLANES = 4
/** What a page has in each plane. */
export const PLANE_PAGE_BYTES = PAGE_BYTES / XOR_PLANES

const LENGTHS_BYTES = XOR_PLANES * 4

/** Bytes of the section that these planes make. */
export function xorSectionBytes(planes: readonly Uint8Array[]): number {
  return planes.reduce((bytes, plane) => bytes + plane.length, LENGTHS_BYTES)
}

/** Whether the planes of `pageCount` pages may travel: they must be shorter than the pages themselves. */
export function isWorthXor(planes: readonly Uint8Array[], pageCount: number): boolean {
  return xorSectionBytes(planes) < pageCount * PAGE_BYTES
}

/** Writes the section at `at` and returns where it ends. */
export function writeXorSection(into: Buffer, planes: readonly Uint8Array[], at: number): number {
  let lengthAt = at
  let planeAt = at + LENGTHS_BYTES
  for (const plane of planes) {
    lengthAt = into.writeUInt32LE(plane.length, lengthAt)
    into.set(plane, planeAt)
    planeAt += plane.length
  }
  return planeAt
}

/** The planes of `pageCount` pages, as views of `section`. Throws `bad-frame`; allocates nothing by what it reads. */
export function readXorSection(section: Buffer, pageCount: number): Uint8Array[] {
  if (section.length < LENGTHS_BYTES || section.length >= pageCount * PAGE_BYTES)
    bad(`a section of ${section.length} bytes for ${pageCount} xor pages`)
  const planes: Uint8Array[] = []
  let planeAt = LENGTHS_BYTES
  for (let plane = 0; plane < XOR_PLANES; plane++) {
    const length = section.readUInt32LE(plane * 4)
    if (length === 0 || length > pageCount * PLANE_PAGE_BYTES || planeAt + length > section.length)
      bad(`plane ${plane} of ${length} bytes for ${pageCount} xor pages`)
    planes.push(section.subarray(planeAt, planeAt + length))
    planeAt += length
  }
  if (planeAt !== section.length) bad(`${section.length - planeAt} bytes behind the last plane`)
  return planes
}

function bad(what: string): never {
  throw new GodwitError('bad-frame', what)
}
