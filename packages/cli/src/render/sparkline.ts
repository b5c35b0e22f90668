/**
 * A loss curve in one line: each character is the mean of its part of the run, eight heights, and a bar where the
 * workload moved to another host.
 */

const HEIGHTS = '▁▂▃▄▅▆▇█'
const MOVED = '│'

/**
 * `values` by step, from step 0; `marks` are steps at which a mark is set. `width` characters at most, marks
 * included; values that are not finite are left out. Empty for no values.
 */
export function sparkline(values: readonly number[], width: number, marks: readonly number[] = []): string {
  const columns = Math.max(1, Math.min(values.length, width - marks.length))
  const means: number[] = []
  for (let column = 0; column < columns; column++) {
    const from = Math.floor((column * values.length) / columns)
    const to = Math.floor(((column + 1) * values.length) / columns)
    const finite = values.slice(from, to).filter(Number.isFinite)
    means.push(finite.reduce((sum, value) => sum + value, 0) / finite.length)
  }
  const known = means.filter(Number.isFinite)
  if (known.length === 0) return ''
  const low = Math.min(...known)
  const range = Math.max(...known) - low
  let line = ''
  for (const [column, mean] of means.entries()) {
    const from = Math.floor((column * values.length) / columns)
    const to = Math.floor(((column + 1) * values.length) / columns)
    line += MOVED.repeat(marks.filter((mark) => mark >= from && mark < to).length)
    const height = range === 0 ? 0 : Math.round(((mean - low) / range) * (HEIGHTS.length - 1))
    line += Number.isFinite(mean) ? HEIGHTS[height] : ' '
  }
  return line
}
