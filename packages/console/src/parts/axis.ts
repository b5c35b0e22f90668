/** The side of a chart: from where to where it goes, which numbers stand at a logarithmic one, and how numbers are written there. */
import { grouped } from '../format/units.ts'

const ROOM = 1.06

/** With some room above and below, and not below 0 where nothing is; what never changes is in the middle. */
export function linearRange(min: number | null, max: number | null): [number, number] {
  if (min === null || max === null) return [0, 1]
  const room = max > min ? (max - min) * 0.08 : Math.abs(max) * 0.05 || 1
  return [min >= 0 ? Math.max(0, min - room) : min - room, max + room]
}

/** With some room above and below; of nothing it is one decade. */
export function logRange(min: number | null, max: number | null): [number, number] {
  if (min === null || max === null || !(min > 0)) return [1, 10]
  return [min / ROOM, max * ROOM]
}

const MOST_TICKS = 8

/** 1, 2 and 5 of each decade where there are several; within one, numbers at even distances. */
export function logTicks(min: number, max: number): number[] {
  const [low, high] = [Math.floor(Math.log10(min)), Math.ceil(Math.log10(max))]
  const within = (ticks: number[]): number[] => ticks.filter((tick) => tick >= min && tick <= max)
  const decades = (steps: readonly number[]): number[] =>
    Array.from({ length: high - low + 1 }, (_, index) => 10 ** (low + index)).flatMap((decade) =>
      steps.map((step) => step * decade),
    )
  if (max / min < 10) return linearTicks(min, max)
  const fine = within(decades([1, 2, 5]))
  if (fine.length <= MOST_TICKS) return fine
  const coarse = within(decades([1]))
  const each = Math.ceil(coarse.length / MOST_TICKS)
  return coarse.filter((_, index) => index % each === 0)
}

function linearTicks(min: number, max: number): number[] {
  const rough = (max - min) / 4
  const decade = 10 ** Math.floor(Math.log10(rough))
  const step = ([1, 2, 5, 10].find((times) => times * decade >= rough) ?? 10) * decade
  const first = Math.ceil(min / step)
  return Array.from({ length: Math.floor(max / step) - first + 1 }, (_, index) => (first + index) * step)
}

/** With as many digits behind the point as the one that needs most, so that they stand in a column; of a logarithmic side as many as each needs. */
export function tickTexts(ticks: readonly number[], isLogarithmic: boolean): string[] {
  const exact = ticks.map((tick) => Number(tick.toPrecision(6)))
  const largest = Math.max(...exact.map(Math.abs))
  if (largest >= 1e9 || largest < 1e-4)
    return exact.map((tick) => (tick === 0 ? '0' : String(tick.toExponential())))
  const digits = Math.max(0, ...exact.map(digitsBehind))
  return exact.map((tick) => {
    const own = isLogarithmic ? digitsBehind(tick) : digits
    return own === 0 ? grouped(tick) : tick.toFixed(own)
  })
}

function digitsBehind(value: number): number {
  const [mantissa = '', exponent = '0'] = value.toExponential().split('e')
  return Math.max(0, mantissa.replace(/^-?\d\.?/, '').length - Number(exponent))
}
