/** The moves of a job as marks on its curve, and the words in which the curve can be read out. */
import type { MoveEntry } from '@godwit/protocol'
import { formatLoss, formatMs, grouped, plural } from '../format/units.ts'
import { type Curve, LOSS, type StepRange } from './curve.ts'

export interface MoveMark {
  readonly id: string
  readonly from: string
  readonly to: string
  /** The first at the target. */
  readonly step: number
  readonly downtimeMs: number | undefined
}

/** Marks that would lie on each other are one. */
export interface MarkFlag {
  readonly marks: readonly MoveMark[]
  /** Between the last step at the source and the first at the target. */
  readonly step: number
}

/** What moved, by step. A move that was given up has left no trace on the curve. */
export function marksOf(moves: readonly MoveEntry[]): MoveMark[] {
  return moves
    .flatMap(({ id, from, to, status, step, downtimeMs }) =>
      status === 'completed' && step !== undefined ? [{ id, from, to, step, downtimeMs }] : [],
    )
    .sort((a, b) => a.step - b.step)
}

/** Those in `range`, joined where they would be less than `gap` pixels from each other on `pixels` of them. */
export function flagsOf(
  marks: readonly MoveMark[],
  range: StepRange,
  pixels: number,
  gap: number,
): MarkFlag[] {
  const near = (gap * (range.to - range.from)) / Math.max(1, pixels)
  const flags: { marks: MoveMark[]; step: number }[] = []
  for (const mark of marks) {
    if (mark.step < range.from || mark.step - 1 > range.to) continue
    const last = flags.at(-1)
    if (last !== undefined && mark.step - 0.5 - last.step < near) last.marks.push(mark)
    else flags.push({ marks: [mark], step: mark.step - 0.5 })
  }
  return flags
}

/** E.g. `a → b at step 201, 54.8 ms of downtime`. */
export function markText({ from, to, step, downtimeMs }: MoveMark): string {
  const pause = downtimeMs === undefined ? '' : `, ${formatMs(downtimeMs)} of downtime`
  return `${from} → ${to} at step ${grouped(step)}${pause}`
}

/** What was reported on both sides of a move: the steps follow on each other. Undefined where both are not known. */
export function lossAround(curve: Curve, { step }: MoveMark): string | undefined {
  const [before, after] = [curve.valueAt(LOSS, step - 1), curve.valueAt(LOSS, step)]
  if (before === undefined || after === undefined) return undefined
  return `loss ${formatLoss(before)} at step ${grouped(step - 1)}, ${formatLoss(after)} at step ${grouped(step)}: none is missing`
}

const READ_MARKS = 5

/** The curve in sentences. */
export function curveSummary(curve: Curve, marks: readonly MoveMark[]): string {
  const { extent } = curve
  if (extent === undefined) return 'No step has been reported yet.'
  const [first, last] = [curve.valueAt(LOSS, extent.from), curve.valueAt(LOSS, extent.to)]
  const loss = `Loss ${formatLoss(last)} at step ${grouped(extent.to)}, ${formatLoss(first)} at step ${grouped(extent.from)}.`
  if (marks.length === 0) return `${loss} It has not moved.`
  const latest = marks.slice(-READ_MARKS).map(markText).join('; ')
  const which = marks.length > READ_MARKS ? `, the latest ${READ_MARKS}` : ''
  return `${loss} ${plural(marks.length, 'move')}${which}: ${latest}.`
}

export interface TableRow {
  readonly step: number
  readonly values: readonly (number | undefined)[]
}

/** Steps at even distances, with what was reported at them or last before; the first and the last are among them. */
export function tableRows(
  curve: Curve,
  names: readonly string[],
  range: StepRange,
  count: number,
): TableRow[] {
  const columns = names.map((name) => {
    const [steps, values] = curve.drawn([name], range, Number.MAX_SAFE_INTEGER)
    return steps.map((step, index) => ({ step, value: values?.[index] ?? undefined }))
  })
  const known = (columns[0] ?? []).filter(({ step }) => step >= range.from && step <= range.to)
  const rows = Math.min(count, known.length)
  return Array.from({ length: rows }, (_, row) => {
    const at = rows === 1 ? 0 : Math.round((row * (known.length - 1)) / (rows - 1))
    const { step } = known[at] as { step: number }
    return {
      step,
      values: columns.map(
        (column) => column.findLast((each) => each.step <= step && each.value !== undefined)?.value,
      ),
    }
  })
}
