/**
 * The arena of a job that moves, as a picture: a cell for each page, in rows, coloured by what became of it. The picture has one pixel for each cell
 * and is enlarged by the browser, and only rows in which something changed are painted: a frame of 65,536 pages costs no more than what is new in it.
 */
import type { ReadonlySignal } from '@preact/signals'
import { useEffect, useMemo, useRef, useState } from 'preact/hooks'
import { grouped } from '../format/units.ts'
import { theme } from '../state/theme.ts'
import {
  cellAt,
  cellByKey,
  cellText,
  type Grid,
  gridOf,
  legendOf,
  type PageCells,
  pagesSummary,
} from './page-cells.ts'
import { colourOf, cssOf, pixelsOf } from './page-colours.ts'
import './page-map.css'
import { usePaced, useWidth } from './paced.ts'

interface PageMapProps {
  readonly cells: PageCells
  /** Rises when something of `cells` changed. */
  readonly version: ReadonlySignal<number>
  /** Pixels; less where fewer rows hold all pages. */
  readonly maxHeight?: number
}

const PAINTED_EVERY_MS = 50
const COUNTED_EVERY_MS = 250
const MIN_CELL = 2
const MAX_CELL = 12
/** Smaller cells have no room for lines between them. */
const LINED_CELL = 6

export function PageMap({ cells, version, maxHeight = 320 }: PageMapProps) {
  const frame = useRef<HTMLDivElement>(null)
  const width = useWidth(frame)
  const [pointed, setPointed] = useState<number>()
  const ratio = globalThis.devicePixelRatio
  const grid = useMemo(
    () =>
      gridOf(cells.pageCount, {
        resolution: cells.resolution,
        width: Math.max(1, Math.floor(width * ratio)),
        height: Math.floor(maxHeight * ratio),
        minCell: Math.max(1, Math.round(MIN_CELL * ratio)),
        maxCell: Math.round(MAX_CELL * ratio),
      }),
    [cells, width, maxHeight, ratio],
  )
  const counted = usePaced(version, COUNTED_EVERY_MS)
  const cell = pointed !== undefined && pointed * grid.pagesPerCell < cells.pageCount ? pointed : undefined
  return (
    <figure class="page-map">
      <div ref={frame}>
        {width > 0 && (
          <Picture cells={cells} version={version} grid={grid} pointed={cell} point={setPointed} />
        )}
      </div>
      <figcaption>
        <PageLegend cells={cells} counted={counted} />
        <p class="page-said" role="status">
          {cell === undefined ? scaleText(cells, grid) : cellText(cells, grid, cell)}
        </p>
      </figcaption>
    </figure>
  )
}

function scaleText({ resolution }: PageCells, { pagesPerCell }: Grid): string {
  const what =
    pagesPerCell === 1
      ? 'A cell is a page of 4 KiB.'
      : `A cell is ${pagesPerCell} pages of 4 KiB and shows the least settled of them.`
  const counted = resolution === 1 ? '' : ` Pages are counted ${resolution} at a time.`
  return `${what}${counted} Point at one, or use the arrow keys.`
}

interface PictureProps {
  readonly cells: PageCells
  readonly version: ReadonlySignal<number>
  readonly grid: Grid
  readonly pointed: number | undefined
  point(cell: number | undefined): void
}

function Picture({ cells, version, grid, pointed, point }: PictureProps) {
  const canvas = useRef<HTMLCanvasElement>(null)
  const painted = usePaced(version, PAINTED_EVERY_MS)
  const { columns, rows, cellPixels, pagesPerCell } = grid
  const shownTheme = theme.value
  const latestRound = cells.latestRound
  const image = useMemo(() => new ImageData(columns, rows), [cells, columns, rows])
  const all = [cells, image, pagesPerCell, shownTheme, latestRound]
  const before = useRef<readonly unknown[]>([])
  useEffect(() => {
    const context = canvas.current?.getContext('2d')
    if (context === undefined || context === null) return
    const changed = cells.takeChangedRows(grid)
    // Of another size, in other colours: every row is new.
    const isNew = all.some((value, index) => value !== before.current[index])
    before.current = all
    const pixels = pixelsOf(latestRound, shownTheme)
    for (const { first, end } of isNew ? [{ first: 0, end: rows }] : changed) {
      paintRows(cells, grid, pixels, image, first, end)
      context.putImageData(image, 0, 0, 0, first, columns, end - first)
    }
  }, [...all, painted])

  const side = cellPixels / globalThis.devicePixelRatio
  const pointAt = ({ offsetX, offsetY }: MouseEvent): void =>
    point(cellAt(grid, cells.pageCount, Math.floor(offsetX / side), Math.floor(offsetY / side)))
  const keyed = (event: KeyboardEvent): void => {
    if (event.ctrlKey || event.metaKey || event.altKey) return
    if (event.key === 'Escape' && pointed !== undefined) return point(undefined)
    const to = cellByKey(event.key, pointed ?? -1, grid, cells.pageCount)
    if (to === undefined) return
    event.preventDefault()
    point(to)
  }
  const size = { width: `${columns * side}px`, height: `${rows * side}px` }
  return (
    <div
      class="page-picture"
      style={size}
      role="img"
      aria-label={pagesSummary(cells)}
      // biome-ignore lint/a11y/noNoninteractiveTabindex: its cells are read by keys
      tabIndex={0}
      onKeyDown={keyed}
      onMouseMove={pointAt}
      onMouseLeave={() => point(undefined)}
      onBlur={() => point(undefined)}
    >
      <canvas ref={canvas} width={columns} height={rows} style={size} />
      {side >= LINED_CELL && <div class="page-lines" style={{ backgroundSize: `${side}px ${side}px` }} />}
      {pointed !== undefined && (
        <div
          class="page-pointed"
          style={{
            left: `${(pointed % columns) * side}px`,
            top: `${Math.floor(pointed / columns) * side}px`,
            width: `${side}px`,
            height: `${side}px`,
          }}
        />
      )}
    </div>
  )
}

/** Pixels of rows `first` to before `end`. */
function paintRows(
  cells: PageCells,
  { columns, pagesPerCell }: Grid,
  pixels: Uint32Array,
  image: ImageData,
  first: number,
  end: number,
): void {
  const out = new Uint32Array(image.data.buffer)
  const count = Math.ceil(cells.pageCount / pagesPerCell)
  for (let cell = first * columns; cell < end * columns; cell++)
    out[cell] = cell < count ? (pixels[cells.stateOf(cell, pagesPerCell)] as number) : 0
}

interface PageLegendProps {
  readonly cells: PageCells
  /** With each number the counts are read anew. */
  readonly counted: number
}

function PageLegend({ cells }: PageLegendProps) {
  const latest = cells.latestRound
  return (
    <ul class="page-legend">
      {legendOf(cells).map(({ name, state, count }) => (
        <li key={name}>
          <i style={{ background: cssOf(colourOf(state, latest, theme.value)) }} aria-hidden="true" />
          {name} <b>{grouped(count)}</b>
        </li>
      ))}
    </ul>
  )
}
