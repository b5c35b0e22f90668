/** One chart of a curve as uPlot draws it: its options, and colours that are read from the style sheet each time it is drawn. */
import uPlot from 'uplot'
import { grouped } from '../format/units.ts'
import { linearRange, logRange, logTicks, tickTexts } from './axis.ts'
import type { StepRange } from './curve.ts'
import type { Panel } from './curve-panels.ts'

export interface PlotOptions {
  readonly panel: Panel
  readonly isLogarithmic: boolean
  readonly width: number
  readonly height: number
  /** Charts of one curve show the same place. */
  readonly syncKey: string
  zoomed(a: number, b: number): void
  reset(): void
  /** Where the pointer is: an index into what is drawn, and pixels from the left; null where it is elsewhere. */
  pointed(index: number | null, left: number): void
  /** Steps lie elsewhere in the chart than before. */
  placed(plot: uPlot): void
}

/** Of the numbers at the side, so that charts below each other have their steps below each other. */
const AXIS_WIDTH = 58
const FONT = '11px system-ui, sans-serif'

export function makePlot(target: HTMLElement, options: PlotOptions): uPlot {
  const { panel, isLogarithmic, width, height, syncKey, zoomed, reset, pointed, placed } = options
  const colour = (name: string) => () => getComputedStyle(target).getPropertyValue(name).trim()
  const axis = {
    stroke: colour('--muted'),
    font: FONT,
    grid: { stroke: colour('--grid'), width: 1 },
    ticks: { show: false },
  }
  const plot = new uPlot(
    {
      width,
      height,
      padding: [10, 22, 0, 0],
      legend: { show: false },
      scales: {
        x: { time: false },
        y: {
          distr: isLogarithmic ? 3 : 1,
          range: (_, min, max) => (isLogarithmic ? logRange(min, max) : linearRange(min, max)),
        },
      },
      series: [
        {},
        ...panel.lines.map((line) => ({
          label: line.label,
          scale: 'y',
          stroke: colour(line.colour),
          width: 1.5,
          spanGaps: line.isSparse,
          points: { size: 5 },
        })),
      ],
      axes: [
        {
          ...axis,
          size: 28,
          gap: 4,
          space: 70,
          values: (_, splits) => splits.map((step) => (Number.isInteger(step) ? grouped(step) : '')),
        },
        {
          ...axis,
          scale: 'y',
          size: AXIS_WIDTH,
          gap: 6,
          space: 28,
          values: (_, splits) => tickTexts(splits, isLogarithmic),
          ...(isLogarithmic && {
            splits: (_: uPlot, __: number, min: number, max: number) => logTicks(min, max),
            filter: (_: uPlot, splits: number[]) => splits,
          }),
        },
      ],
      cursor: {
        y: false,
        drag: { x: true, y: false, setScale: false },
        sync: { key: syncKey, scales: ['x', null] },
        points: { size: 7 },
        bind: {
          dblclick: () => () => {
            reset()
            return null
          },
        },
      },
      hooks: {
        setSelect: [
          (self) => {
            const { left, width: selected } = self.select
            if (selected < 4) return
            zoomed(self.posToVal(left, 'x'), self.posToVal(left + selected, 'x'))
            self.setSelect({ left: 0, top: 0, width: 0, height: 0 }, false)
          },
        ],
        setCursor: [({ cursor }) => pointed(cursor.idx ?? null, cursor.left ?? -1)],
        draw: [placed],
      },
    },
    panel.lines.reduce<[number[], ...number[][]]>((data) => [...data, []], [[]]),
    target,
  )
  return plot
}

/** What can't be on a logarithmic axis is left out. */
export function setPlotData(
  plot: uPlot,
  data: readonly (readonly (number | null)[])[],
  { from, to }: StepRange,
): void {
  const [steps, ...lines] = data as [number[], ...(number | null)[][]]
  const isLogarithmic = plot.scales.y?.distr === 3
  const shown = isLogarithmic
    ? lines.map((line) => line.map((value) => (value !== null && value > 0 ? value : null)))
    : lines
  plot.batch(() => {
    plot.setData([steps, ...shown], false)
    plot.setScale('x', { min: from, max: Math.max(to, from + 1) })
  })
}
