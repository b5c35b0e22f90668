/** One chart of a curve: its legend with the values that are pointed at, its lines, and the job's moves as vertical ones. */
import { useEffect, useMemo, useRef, useState } from 'preact/hooks'
import type uPlot from 'uplot'
import { grouped } from '../format/units.ts'
import { theme } from '../state/theme.ts'
import type { Curve, DrawnColumns, StepRange } from './curve.ts'
import { flagsOf, lossAround, type MarkFlag, type MoveMark, markText } from './curve-marks.ts'
import type { Panel } from './curve-panels.ts'
import { makePlot, setPlotData } from './curve-plot.ts'
import { useWidth } from './paced.ts'

interface CurvePanelProps {
  readonly curve: Curve
  /** Of the curve, as it is drawn. */
  readonly version: number
  readonly panel: Panel
  readonly range: StepRange
  readonly marks: readonly MoveMark[]
  readonly height: number
  readonly syncKey: string
  readonly isLogarithmic: boolean
  /** The marks say what they are. */
  readonly hasFlags: boolean
  zoomed(a: number, b: number): void
  reset(): void
}

/** Flags are so far from each other that each can be pressed. */
const FLAG_GAP = 26
const NEAR_PIXELS = 5
const SAID_MARKS = 3

interface Placed {
  readonly left: number
  readonly width: number
}

export function CurvePanel(props: CurvePanelProps) {
  const { curve, version, panel, range, marks, height, syncKey, isLogarithmic, hasFlags } = props
  const target = useRef<HTMLDivElement>(null)
  const plot = useRef<uPlot | undefined>(undefined)
  const latest = useRef(props)
  latest.current = props
  const width = useWidth(target)
  const [placed, setPlaced] = useState<Placed>({ left: 0, width: 0 })
  const [pointed, setPointed] = useState<{ index: number | null; left: number }>({ index: null, left: -1 })
  const [held, setHeld] = useState<MarkFlag>()
  const lines = panel.lines.map(({ name }) => name).join()

  useEffect(() => {
    if (target.current === null || width === 0) return
    const made = makePlot(target.current, {
      panel,
      isLogarithmic,
      width,
      height,
      syncKey,
      zoomed: (a, b) => latest.current.zoomed(a, b),
      reset: () => latest.current.reset(),
      pointed: (index, left) => setPointed({ index, left }),
      placed: ({ over }) =>
        setPlaced((before) =>
          before.left === over.offsetLeft && before.width === over.offsetWidth
            ? before
            : { left: over.offsetLeft, width: over.offsetWidth },
        ),
    })
    plot.current = made
    return () => {
      made.destroy()
      plot.current = undefined
    }
  }, [panel.id, lines, isLogarithmic, height, syncKey, width === 0])

  useEffect(() => {
    if (width > 0) plot.current?.setSize({ width, height })
  }, [width, height])

  const data = useMemo(
    () => panel.drawn(curve, range, Math.max(1, width)),
    [curve, version, panel.id, lines, range.from, range.to, width],
  )
  useEffect(() => {
    if (plot.current !== undefined) setPlotData(plot.current, data, range)
  }, [data, isLogarithmic, height, syncKey, range.from, range.to])

  useEffect(() => theme.subscribe(() => plot.current?.redraw(false)), [])

  const flags = flagsOf(marks, range, placed.width, FLAG_GAP)
  const leftOf = (step: number): number =>
    ((step - range.from) / Math.max(1, range.to - range.from)) * placed.width
  const near = flags.find(
    ({ step }) => pointed.left >= 0 && Math.abs(leftOf(step) - pointed.left) <= NEAR_PIXELS,
  )
  const said = hasFlags ? (held ?? near) : undefined
  return (
    <div class="curve-panel">
      <PanelLegend panel={panel} data={data} index={pointed.index} to={range.to} curve={curve} />
      <div class="curve-plot">
        <div ref={target} aria-hidden="true" style={{ height: `${height}px` }} />
        <div class="curve-marks" style={{ left: `${placed.left}px`, width: `${placed.width}px` }}>
          {flags.map((flag) => (
            <Flag
              key={flag.step}
              flag={flag}
              left={leftOf(flag.step)}
              hasLabel={hasFlags}
              held={setHeld}
              pressed={() => props.zoomed(flag.step - 30, flag.step + 30)}
            />
          ))}
          {said !== undefined && (
            <div class="curve-tip" style={tipPlace(leftOf(said.step), placed.width)}>
              {said.marks.slice(0, SAID_MARKS).map((mark) => (
                <p key={mark.id}>
                  <strong>{markText(mark)}</strong>
                  <span>{lossAround(curve, mark)}</span>
                </p>
              ))}
              {said.marks.length > SAID_MARKS && <p>and {said.marks.length - SAID_MARKS} more</p>}
            </div>
          )}
        </div>
      </div>
    </div>
  )
}

/** Beside the mark, on the side on which there is more room. */
function tipPlace(left: number, width: number): { left?: string; right?: string } {
  return left < width / 2 ? { left: `${left + 10}px` } : { right: `${width - left + 10}px` }
}

interface FlagProps {
  readonly flag: MarkFlag
  readonly left: number
  readonly hasLabel: boolean
  held(flag: MarkFlag | undefined): void
  pressed(): void
}

function Flag({ flag, left, hasLabel, held, pressed }: FlagProps) {
  const { marks } = flag
  return (
    <div class="curve-mark" style={{ left: `${left}px` }}>
      {hasLabel && (
        <button
          type="button"
          aria-label={`${marks.length > 1 ? `${marks.length} moves: ` : ''}${marks.map(markText).join('; ')}: show the steps around`}
          onMouseEnter={() => held(flag)}
          onMouseLeave={() => held(undefined)}
          onFocus={() => held(flag)}
          onBlur={() => held(undefined)}
          onKeyDown={(event) => {
            if (event.key === 'Escape') held(undefined)
          }}
          onClick={pressed}
        >
          {marks.length === 1 ? '▸' : marks.length}
        </button>
      )}
    </div>
  )
}

interface PanelLegendProps {
  readonly panel: Panel
  readonly data: DrawnColumns
  /** Where the pointer is; null: the latest that is shown, up to step `to`. */
  readonly index: number | null
  readonly to: number
  readonly curve: Curve
}

function PanelLegend({ panel, data, index, to, curve }: PanelLegendProps) {
  const [steps, ...columns] = data
  const at = index ?? steps.findLastIndex((each) => each <= to)
  const step = steps[at]
  return (
    <div class="curve-legend">
      <h3>{panel.title}</h3>
      {panel.lines.map(({ name, label, colour }, line) => (
        <span key={name}>
          <i style={{ background: `var(${colour})` }} aria-hidden="true" />
          {panel.lines.length > 1 && `${label} `}
          <b>
            {panel.format(lastKnown(columns[line], at) ?? (index === null ? curve.latest(name) : undefined))}
          </b>
        </span>
      ))}
      {step !== undefined && <span class="curve-step">step {grouped(step)}</span>}
    </div>
  )
}

function lastKnown(column: readonly (number | null)[] | undefined, at: number): number | undefined {
  for (let index = at; index >= 0; index--) {
    const value = column?.[index]
    if (value !== null && value !== undefined) return value
  }
  return undefined
}
