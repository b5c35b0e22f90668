/**
 * A job's history as it is drawn: a million steps on some hundred pixels.
 *
 * Steps are divided into as many equal stretches as there is room for, and of each stretch those steps stay at which a line is lowest or
 * highest: so a spike of one step is still there. The first step and the last are always among them.
 *
 * One pass over numbers that lie in memory already, with nothing made for a step that is not chosen: a few milliseconds for a million of them.
 */
import { type CurveView, GodwitError, LIMITS } from '@godwit/protocol'
import type { OutputHistory } from './output-history.ts'

export interface CurveAsked {
  /** The first step, and the last; all that are kept unless said. */
  readonly from?: number | undefined
  readonly to?: number | undefined
  /** At most. */
  readonly points: number
}

/** Errors: `bad-arguments` for a range whose end is before its beginning. */
export function curveOf(history: OutputHistory, asked: CurveAsked): Omit<CurveView, 'ranges'> {
  const { firstStep, nextStep } = history
  if (asked.from !== undefined && asked.to !== undefined && asked.to < asked.from)
    throw new GodwitError('bad-arguments', `to: ${asked.to} is before from, which is ${asked.from}`)
  const from = Math.min(nextStep, Math.max(firstStep, asked.from ?? firstStep))
  const end = Math.max(from, Math.min(nextStep, (asked.to ?? nextStep) + 1))
  const isWhole = end - from <= asked.points
  const lines = isWhole ? [] : metricNames(history, from, end)
  const stretches = isWhole ? asked.points : Math.floor((asked.points - 2) / (2 * (lines.length + 2)))
  const { chosen, speeds } = passed(history, { from, end, stretches, isWhole })
  for (const step of metricExtremes(history, { from, end, stretches, lines })) chosen.add(step)
  const points = [...chosen]
    .sort((a, b) => a - b)
    .map((step) => {
      const { epoch: _, ...point } = history.outputAt(step)
      return point
    })
  return { firstStep, nextStep, isWhole, points, speeds }
}

interface Divided {
  readonly from: number
  readonly end: number
  readonly stretches: number
}

/** The first step of a stretch; of the one past the last, the end. */
function beginOf(stretch: number, { from, end, stretches }: Divided): number {
  return from + Math.floor((stretch * (end - from)) / stretches)
}

/** Steps that stay because of their loss or their time, and how fast each stretch was. */
function passed(
  history: OutputHistory,
  { isWhole, ...divided }: Divided & { isWhole: boolean },
): { chosen: Set<number>; speeds: CurveView['speeds'] } {
  const { from, end, stretches } = divided
  const { losses, stepMs } = history.columns(from, end)
  const chosen = new Set<number>(from < end ? [from, end - 1] : [])
  const speeds: CurveView['speeds'] = []
  for (let stretch = 0; stretch < stretches; stretch++) {
    const begin = beginOf(stretch, divided)
    const after = beginOf(stretch + 1, divided)
    if (begin === after) continue
    for (const column of [losses, stepMs])
      for (const index of extremesIn(column, begin - from, after - from)) chosen.add(from + index)
    if (isWhole) for (let step = begin; step < after; step++) chosen.add(step)
    const totalMs = sumOf(stepMs, begin - from, after - from)
    const steps = after - begin
    if (totalMs > 0) speeds.push({ fromStep: begin, steps, stepsPerSecond: (1000 * steps) / totalMs })
  }
  return { chosen, speeds }
}

/** Indices of the lowest and the highest. */
function extremesIn(column: Float64Array, begin: number, end: number): [number, number] {
  let [lowest, highest] = [begin, begin]
  let low = column[begin] as number
  let high = low
  for (let index = begin + 1; index < end; index++) {
    const value = column[index] as number
    if (value < low) {
      low = value
      lowest = index
    } else if (value > high) {
      high = value
      highest = index
    }
  }
  return [lowest, highest]
}

function sumOf(column: Float64Array, begin: number, end: number): number {
  let sum = 0
  for (let index = begin; index < end; index++) sum += column[index] as number
  return sum
}

/** A program that calls its metrics otherwise at each step has no more lines than one that doesn't. */
function metricNames(history: OutputHistory, from: number, end: number): string[] {
  const names = new Set<string>()
  for (const [, metrics] of history.metricsIn(from, end)) {
    for (const name in metrics) if (names.size < LIMITS.maxMetrics) names.add(name)
    if (names.size === LIMITS.maxMetrics) break
  }
  return [...names]
}

interface Extremes {
  lowest: number
  highest: number
  low: number
  high: number
}

/** The same of metrics, which may be reported at some steps only. */
function metricExtremes(
  history: OutputHistory,
  { lines, ...divided }: Divided & { lines: readonly string[] },
): number[] {
  const { from, end, stretches } = divided
  const of = new Map<string, Extremes>()
  if (lines.length === 0) return []
  for (const [step, metrics] of history.metricsIn(from, end)) {
    const stretch = Math.floor(((step - from) * stretches) / (end - from))
    for (const name of lines) {
      const value = metrics[name]
      if (value === undefined) continue
      const key = `${stretch} ${name}`
      const known = of.get(key)
      if (known === undefined) of.set(key, { lowest: step, highest: step, low: value, high: value })
      else if (value < known.low) [known.lowest, known.low] = [step, value]
      else if (value > known.high) [known.highest, known.high] = [step, value]
    }
  }
  return [...of.values()].flatMap(({ lowest, highest }) => [lowest, highest])
}
