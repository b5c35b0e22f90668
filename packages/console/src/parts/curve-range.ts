/** Which steps of a curve are shown: zoomed and moved by keys, by dragging and by buttons, never beyond what there is. Undefined is all of them, and those that come. */
import type { StepRange } from './curve.ts'

/** Fewer are not shown: then each of them is seen. */
const MIN_STEPS = 10
const MOVED_SHARE = 0.2
const ZOOM = 2

/** Any two steps, in any order, as a range within `extent`; undefined when that is all of it. */
export function rangeWithin(extent: StepRange, a: number, b: number): StepRange | undefined {
  const whole = extent.to - extent.from
  const span = Math.min(whole, Math.max(MIN_STEPS, Math.round(Math.abs(b - a))))
  if (span >= whole) return undefined
  const middle = (a + b) / 2
  const from = Math.min(extent.to - span, Math.max(extent.from, Math.round(middle - span / 2)))
  return { from, to: from + span }
}

/** `factor` below 1 shows fewer steps; `at` stays where it is. */
export function zoomed(
  extent: StepRange,
  range: StepRange | undefined,
  factor: number,
  at?: number,
): StepRange | undefined {
  const { from, to } = range ?? extent
  const fixed = at ?? (from + to) / 2
  return rangeWithin(extent, fixed - (fixed - from) * factor, fixed + (to - fixed) * factor)
}

/** What a key makes of it; `ignored` where it means nothing here. */
export function rangeByKey(
  key: string,
  extent: StepRange,
  range: StepRange | undefined,
): StepRange | undefined | 'ignored' {
  const { from, to } = range ?? extent
  const by = (to - from) * MOVED_SHARE
  switch (key) {
    case '+':
    case '=':
      return zoomed(extent, range, 1 / ZOOM)
    case '-':
      return zoomed(extent, range, ZOOM)
    case 'ArrowLeft':
      return rangeWithin(extent, from - by, to - by)
    case 'ArrowRight':
      return rangeWithin(extent, from + by, to + by)
    case 'Home':
      return rangeWithin(extent, extent.from, extent.from + (to - from))
    case 'End':
      return rangeWithin(extent, extent.to - (to - from), extent.to)
    case '0':
    case 'Escape':
      return range === undefined ? 'ignored' : undefined
    default:
      return 'ignored'
  }
}
