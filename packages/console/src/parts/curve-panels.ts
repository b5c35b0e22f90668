/** Which charts a curve is drawn as: what has one unit shares one, and all share their steps. */
import { formatLoss, formatMs, formatNumber } from '../format/units.ts'
import { type Curve, type DrawnColumns, LOSS, STEP_TIME, type StepRange } from './curve.ts'

export interface Line {
  /** As its column is called. */
  readonly name: string
  readonly label: string
  /** A custom property of the style sheet. */
  readonly colour: string
  /** Reported at some steps only: the line goes on between them. */
  readonly isSparse: boolean
}

export interface Panel {
  readonly id: string
  readonly title: string
  readonly lines: readonly Line[]
  readonly canBeLogarithmic: boolean
  format(value: number | undefined): string
  drawn(curve: Curve, range: StepRange, pixels: number): DrawnColumns
}

/** With spaces: no metric is called so. */
export const THROUGHPUT = 'steps a second'
export const STEP_TIME_PANEL = STEP_TIME
const COLOURS = ['--curve-1', '--curve-2', '--curve-3', '--curve-4']

/** Of a curve with these columns: losses, then other metrics, throughput, step time. */
export function panelsOf(names: readonly string[]): Panel[] {
  const metrics = names.filter((name) => name !== LOSS && name !== STEP_TIME)
  const losses = metrics.filter(isLoss)
  const others = metrics.filter((name) => !isLoss(name))
  return [
    panel({ id: LOSS, title: 'Loss', names: [LOSS, ...losses], format: formatLoss, canBeLogarithmic: true }),
    ...others.map((name) =>
      panel({ id: name, title: titleOf(name), names: [name], format: formatNumber, colour: 1 }),
    ),
    {
      ...panel({
        id: THROUGHPUT,
        title: 'Throughput',
        names: [THROUGHPUT],
        format: (value) => (value === undefined ? formatNumber(value) : `${formatNumber(value)} steps/s`),
        colour: 3,
      }),
      drawn: (curve, range, pixels) => curve.throughput(range, pixels),
    },
    panel({
      id: STEP_TIME,
      title: 'Step time',
      names: [STEP_TIME],
      format: formatMs,
      colour: 2,
      canBeLogarithmic: true,
    }),
  ]
}

interface PanelOptions {
  readonly id: string
  readonly title: string
  readonly names: readonly string[]
  readonly canBeLogarithmic?: boolean
  /** Of its first line. */
  readonly colour?: number
  format(value: number | undefined): string
}

function panel({ id, title, names, canBeLogarithmic = false, colour = 0, format }: PanelOptions): Panel {
  const lines = names.map((name, index) => ({
    name,
    label: words(name),
    colour: COLOURS[(colour + index) % COLOURS.length] as string,
    isSparse: name !== LOSS && name !== STEP_TIME && name !== THROUGHPUT,
  }))
  return {
    id,
    title,
    lines,
    canBeLogarithmic,
    format,
    drawn: (curve, range, pixels) => curve.drawn(names, range, pixels),
  }
}

function isLoss(name: string): boolean {
  return /loss$/i.test(name)
}

/** `validationLoss` is `validation loss`. */
export function words(name: string): string {
  return name
    .replace(/([a-z0-9])([A-Z])/g, (_, end: string, begin: string) => `${end} ${begin.toLowerCase()}`)
    .replaceAll(/[_.-]+/g, ' ')
}

/** As a heading: `validationLoss` is `Validation loss`. */
export function titleOf(name: string): string {
  const text = words(name)
  return text.charAt(0).toUpperCase() + text.slice(1)
}
