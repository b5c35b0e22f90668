/**
 * The picture of a benchmark: for each row a bar of its downtime and, below it, one of the floor measured in the same run.
 *
 * The scale is logarithmic, because a move of 3 ms and a restart of 3 s belong into one picture.
 */
import type { SummaryLine } from './figures.ts'

const [WIDTH, LEFT, RIGHT, TOP] = [860, 250, 70, 52]
const [BAR_HEIGHT, ROW_HEIGHT, FOOT] = [12, 40, 34]
const [DOWNTIME_COLOUR, FLOOR_COLOUR, TEXT_COLOUR, GRID_COLOUR] = ['#1f6feb', '#8b949e', '#24292f', '#d0d7de']
/** Anything shorter is drawn as long as this. */
const SHORTEST_MS = 0.1

/** An SVG of its own, of at least one row. */
export function renderChart(rows: readonly SummaryLine[]): string {
  const longestMs = Math.max(...rows.flatMap(({ downtimeMs, floorMs }) => [downtimeMs, floorMs ?? 0]))
  const decades = Math.max(1, Math.ceil(Math.log10(Math.max(longestMs, SHORTEST_MS) / SHORTEST_MS)))
  const height = TOP + rows.length * ROW_HEIGHT + FOOT
  const x = (valueMs: number): number =>
    LEFT + (Math.log10(Math.max(valueMs, SHORTEST_MS) / SHORTEST_MS) / decades) * (WIDTH - LEFT - RIGHT)
  const bottom = height - FOOT
  const grid = Array.from({ length: decades + 1 }, (_, decade) => SHORTEST_MS * 10 ** decade).map(
    (
      atMs,
    ) => `<line x1="${at(x(atMs))}" x2="${at(x(atMs))}" y1="${TOP - 6}" y2="${bottom}" stroke="${GRID_COLOUR}"/>
  <text x="${at(x(atMs))}" y="${bottom + 18}" fill="${FLOOR_COLOUR}" text-anchor="middle">${label(atMs)} ms</text>`,
  )
  const bars = rows.map((row, index) => {
    const y = TOP + index * ROW_HEIGHT
    const bar = (valueMs: number, top: number, colour: string): string =>
      `<rect x="${LEFT}" y="${top}" width="${at(x(valueMs) - LEFT)}" height="${BAR_HEIGHT}" fill="${colour}"/>
  <text x="${at(x(valueMs) + 6)}" y="${top + 10}" fill="${TEXT_COLOUR}" font-size="11">${label(valueMs)}</text>`
    const name = escaped(`${row.case}, ${row.link}, ${row.method}`)
    return `<text x="${LEFT - 10}" y="${y + 17}" fill="${TEXT_COLOUR}" text-anchor="end">${name}</text>
  ${bar(row.downtimeMs, y, DOWNTIME_COLOUR)}${row.floorMs === null ? '' : `\n  ${bar(row.floorMs, y + BAR_HEIGHT + 2, FLOOR_COLOUR)}`}`
  })
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${height}" font-family="sans-serif" font-size="13">
  <title>Downtime of a move beside its floor, in milliseconds, medians</title>
  <rect width="100%" height="100%" fill="#fff"/>
  ${legend(LEFT, DOWNTIME_COLOUR, 'downtime')}
  ${legend(LEFT + 110, FLOOR_COLOUR, 'floor: a round trip and the bytes of one step over raw TCP')}
  ${grid.join('\n  ')}
  ${bars.join('\n  ')}
</svg>`
}

function legend(x: number, colour: string, text: string): string {
  return `<rect x="${x}" y="16" width="12" height="12" fill="${colour}"/><text x="${x + 18}" y="27" fill="${TEXT_COLOUR}">${text}</text>`
}

function at(position: number): string {
  return position.toFixed(1)
}

/** Three digits are as many as such a measure has. */
function label(valueMs: number): string {
  return String(Number(valueMs.toPrecision(valueMs < 1000 ? 3 : 4)))
}

function escaped(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;')
}
