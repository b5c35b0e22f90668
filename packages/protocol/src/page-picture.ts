/** A picture of pages (page-cells.ts) as it is said: as bytes by a worker, as text to those who look. */
import { z } from 'zod'
import { count, label } from './common.ts'
import { LIMITS } from './limits.ts'
import { PAGE_BYTES } from './pages.ts'

const picture = {
  pageCount: z
    .int()
    .min(1)
    .max(LIMITS.maxArenaBytes / PAGE_BYTES),
  /** The last cell may have fewer. */
  pagesPerCell: z
    .int()
    .min(1)
    .max(LIMITS.maxArenaBytes / PAGE_BYTES),
  /** That is being sent, or was last. */
  round: count,
}

const MAX_RUN_BYTES = 2 * LIMITS.maxPictureCells

export const pagePicture = z.strictObject({
  ...picture,
  runs: (z.instanceof(Uint8Array) as z.ZodType<Uint8Array>).refine(
    (bytes) => bytes.length <= MAX_RUN_BYTES,
    `has more than ${MAX_RUN_BYTES} bytes`,
  ),
})
export type PagePicture = z.infer<typeof pagePicture>

export const shownPicture = z.strictObject({
  migration: label,
  ...picture,
  /** In base64. */
  runs: z
    .string()
    .max(4 * Math.ceil(MAX_RUN_BYTES / 3))
    .regex(/^[A-Za-z0-9+/]*={0,2}$/, 'base64'),
})
export type ShownPicture = z.infer<typeof shownPicture>
