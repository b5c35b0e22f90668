/**
 * A job's curve over its steps, live: loss with what is validated, throughput, step time, and each move as a mark between two steps that follow on each
 * other. Zoomed by dragging, by keys and by buttons; a double click shows all again.
 */
import type { MoveEntry } from '@godwit/protocol'
import { useId, useMemo, useState } from 'preact/hooks'
import 'uplot/dist/uPlot.min.css'
import { grouped } from '../format/units.ts'
import type { Curve, StepRange } from './curve.ts'
import './curve-chart.css'
import { curveSummary, type MoveMark, marksOf, tableRows } from './curve-marks.ts'
import { CurvePanel } from './curve-panel.tsx'
import { type Panel, panelsOf, STEP_TIME_PANEL } from './curve-panels.ts'
import { rangeByKey, rangeWithin, zoomed } from './curve-range.ts'
import { usePaced } from './paced.ts'

interface CurveChartProps {
  readonly job: string
  readonly curve: Curve
  readonly moves: readonly MoveEntry[]
  /** Finer points of a range are wanted; undefined: of all. */
  rangeChosen?(range: StepRange | undefined): void
}

/** As often as numbers can be read; three charts that are drawn anew take 30 ms of each second. */
const DRAWN_EVERY_MS = 500
const MAIN_HEIGHT = 260
const OTHER_HEIGHT = 130
const TABLE_ROWS = 20

export function CurveChart({ job, curve, moves, rangeChosen }: CurveChartProps) {
  const version = usePaced(curve.version, DRAWN_EVERY_MS)
  const [chosen, setChosen] = useState<StepRange>()
  const [isLogarithmic, setLogarithmic] = useState(false)
  const [hidden, setHidden] = useState<ReadonlySet<string>>(new Set([STEP_TIME_PANEL]))
  const id = useId()
  const marks = useMemo(() => marksOf(moves), [moves])
  const { extent } = curve
  const names = curve.names.join()
  const panels = useMemo(() => panelsOf(curve.names), [names])
  if (extent === undefined) return <p class="empty">No step has been reported yet.</p>

  const show = (range: StepRange | undefined): void => {
    setChosen(range)
    rangeChosen?.(range)
  }
  const keyed = (event: KeyboardEvent): void => {
    if (event.ctrlKey || event.metaKey || event.altKey) return
    const range = rangeByKey(event.key, extent, chosen)
    if (range === 'ignored') return
    event.preventDefault()
    show(range)
  }
  const toggle = (panel: string): void => {
    const next = new Set(hidden)
    if (!next.delete(panel)) next.add(panel)
    setHidden(next)
  }
  const range = chosen ?? extent
  return (
    <div class="curve-chart">
      <CurveTools
        panels={panels}
        hidden={hidden}
        toggle={toggle}
        isLogarithmic={isLogarithmic}
        setLogarithmic={setLogarithmic}
        zoom={(factor) => show(zoomed(extent, chosen, factor))}
        reset={chosen === undefined ? undefined : () => show(undefined)}
      />
      {/* biome-ignore lint/a11y/useSemanticElements: a fieldset is of a form, and this is a chart */}
      <div
        class="curve-panels"
        role="group"
        aria-label={`Curves of ${job}`}
        aria-describedby={`${id}-said ${id}-keys`}
        // biome-ignore lint/a11y/noNoninteractiveTabindex: it is zoomed by keys
        tabIndex={0}
        onKeyDown={keyed}
      >
        {panels
          .filter((panel) => !hidden.has(panel.id))
          .map((panel, index) => (
            <CurvePanel
              key={panel.id}
              curve={curve}
              version={version}
              panel={panel}
              range={range}
              marks={marks}
              height={index === 0 ? MAIN_HEIGHT : OTHER_HEIGHT}
              syncKey={id}
              isLogarithmic={isLogarithmic && panel.canBeLogarithmic}
              hasFlags={index === 0}
              zoomed={(a, b) => show(rangeWithin(extent, a, b))}
              reset={() => show(undefined)}
            />
          ))}
      </div>
      <p id={`${id}-said`} class="visually-hidden">
        {curveSummary(curve, marks)}
      </p>
      <p id={`${id}-keys`} class="curve-hint">
        Steps {grouped(range.from)} to {grouped(range.to)}. Drag to zoom, double click for all; keys + − ← →
        and 0.
      </p>
      <CurveTable curve={curve} panels={panels} range={range} marks={marks} />
    </div>
  )
}

interface CurveToolsProps {
  readonly panels: readonly Panel[]
  readonly hidden: ReadonlySet<string>
  readonly isLogarithmic: boolean
  toggle(panel: string): void
  setLogarithmic(is: boolean): void
  zoom(factor: number): void
  readonly reset: (() => void) | undefined
}

function CurveTools(props: CurveToolsProps) {
  const { panels, hidden, isLogarithmic, toggle, setLogarithmic, zoom, reset } = props
  return (
    <div class="curve-tools" role="toolbar" aria-label="What the chart shows">
      {panels.map(({ id, title }) => (
        <button type="button" class="chip" key={id} aria-pressed={!hidden.has(id)} onClick={() => toggle(id)}>
          {title}
        </button>
      ))}
      <button
        type="button"
        class="chip"
        aria-pressed={isLogarithmic}
        onClick={() => setLogarithmic(!isLogarithmic)}
      >
        Log scale
      </button>
      <span class="curve-zoom">
        <button type="button" class="chip" aria-label="Zoom in" onClick={() => zoom(1 / 2)}>
          +
        </button>
        <button type="button" class="chip" aria-label="Zoom out" onClick={() => zoom(2)}>
          −
        </button>
        <button type="button" class="chip" disabled={reset === undefined} onClick={() => reset?.()}>
          All steps
        </button>
      </span>
    </div>
  )
}

interface CurveTableProps {
  readonly curve: Curve
  readonly panels: readonly Panel[]
  readonly range: StepRange
  readonly marks: readonly MoveMark[]
}

/** The same for those who do not see the chart. */
function CurveTable({ curve, panels, range, marks }: CurveTableProps) {
  const [isOpen, setOpen] = useState(false)
  const columns = panels.flatMap(({ lines, format }) =>
    lines
      .filter(({ name }) => curve.names.includes(name))
      .map(({ name, label }) => ({ name, label, format })),
  )
  const names = columns.map(({ name }) => name)
  return (
    <details class="curve-table" onToggle={(event) => setOpen(event.currentTarget.open)}>
      <summary>As a table</summary>
      {isOpen && (
        <div class="table-scroll">
          <table class="lines">
            <thead>
              <tr>
                <th scope="col">Step</th>
                {columns.map(({ name, label }) => (
                  <th scope="col" class="number" key={name}>
                    {label}
                  </th>
                ))}
                <th scope="col">Ran on</th>
              </tr>
            </thead>
            <tbody>
              {tableRows(curve, names, range, TABLE_ROWS).map(({ step, values }) => (
                <tr key={step}>
                  <th scope="row">{grouped(step)}</th>
                  {columns.map(({ name, format }, index) => (
                    <td class="number" key={name}>
                      {format(values[index])}
                    </td>
                  ))}
                  <td>{hostAt(marks, step)}</td>
                </tr>
              ))}
            </tbody>
          </table>
        </div>
      )}
    </details>
  )
}

function hostAt(marks: readonly MoveMark[], step: number): string {
  return marks.findLast((mark) => mark.step <= step)?.to ?? marks[0]?.from ?? ''
}
