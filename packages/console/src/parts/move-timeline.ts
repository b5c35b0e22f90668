/** A move's report as pictures take it: what was when, what the downtime is made of, and how near to it the forecasts were. */
import type { DowntimeParts, MigrationReport, RoundReport } from '@godwit/protocol'
import { formatBytes, formatMs, formatRate, grouped, plural } from '../format/units.ts'

export interface Span {
  readonly kind: 'setup' | 'round' | 'downtime'
  readonly name: string
  readonly startMs: number
  readonly durationMs: number
  /** All of it in a sentence. */
  readonly text: string
}

/**
 * From when the move was asked for to its end. Rounds that do not say when they began, as in reports of earlier releases, follow on the one before. The last round is sent while the job stands,
 * and is a part of the downtime.
 */
export function spansOf(report: MigrationReport): Span[] {
  const { setupMs, totalMs, downtimeMs, rounds } = report
  const spans: Span[] = []
  if (setupMs > 0)
    spans.push({
      kind: 'setup',
      name: 'setup',
      startMs: 0,
      durationMs: setupMs,
      text: `setup: ${formatMs(setupMs)} until the target was ready`,
    })
  let endMs = setupMs
  const hasStood = downtimeMs > 0
  for (const [index, round] of rounds.slice(0, hasStood ? -1 : undefined).entries()) {
    const startMs = round.startMs ?? endMs
    endMs = startMs + round.durationMs
    const name = `round ${index}`
    spans.push({ kind: 'round', name, startMs, durationMs: round.durationMs, text: roundText(round, index) })
  }
  if (hasStood)
    spans.push({
      kind: 'downtime',
      name: 'downtime',
      startMs: report.downtimeStartMs ?? Math.max(endMs, totalMs - downtimeMs),
      durationMs: downtimeMs,
      text: `downtime: ${formatMs(downtimeMs)} in which the job stood`,
    })
  return spans
}

/** From where on they are drawn: without the setup, where that was longer than all else, so that rounds are seen. */
export function beginOf(spans: readonly Span[]): number {
  const [first, second] = spans
  if (first?.kind !== 'setup' || second === undefined) return 0
  return first.durationMs > lengthOf(spans) / 2 ? second.startMs : 0
}

/** Where the last of them ends. */
export function lengthOf(spans: readonly Span[]): number {
  return Math.max(0, ...spans.map(({ startMs, durationMs }) => startMs + durationMs))
}

/** Bytes a second on the wire; undefined of a round that took no time. */
export function rateOf({ wireBytes, durationMs }: RoundReport): number | undefined {
  return durationMs > 0 ? (wireBytes * 1000) / durationMs : undefined
}

export function roundText(round: RoundReport, index: number): string {
  const { pages, wireBytes, durationMs, steps, codec } = round
  const rate = rateOf(round)
  const sent = `${formatBytes(wireBytes)} sent${rate === undefined ? '' : ` at ${formatRate(rate)}`} (${codec})`
  const meanwhile = steps === 0 ? 'no step meanwhile' : `${plural(steps, 'step')} meanwhile`
  return `round ${index}: ${plural(pages, 'page')} in ${formatMs(durationMs)}, ${sent}, ${meanwhile}`
}

interface DowntimePart {
  readonly part: keyof DowntimeParts
  readonly name: string
  readonly what: string
  readonly ms: number
}

const PARTS: readonly (readonly [keyof DowntimeParts, name: string, what: string])[] = [
  ['parkMs', 'park', 'the pager learns that the thread stands'],
  ['finalScanMs', 'final scan', 'the last dirty pages are collected'],
  ['finalSendMs', 'final send', 'to the last byte handed to the socket'],
  ['installMs', 'install', 'to everything in place at the target'],
  ['claimMs', 'claim', 'waiting for the ownership'],
  ['resumeMs', 'resume', 'to the thread running again'],
]

/** In the order in which they follow on each other; they add up to the downtime. */
export function downtimePartsOf({ downtime }: MigrationReport): DowntimePart[] {
  return PARTS.map(([part, name, what]) => ({ part, name, what, ms: downtime[part] }))
}

export interface Comparison {
  readonly name: string
  readonly ms: number
  readonly text: string
}

/** What the downtime was foreseen to be, by whom. Who stops to copy has foreseen nothing. */
export function forecastsOf({ downtimeMs, predicted, estimated }: MigrationReport): Comparison[] {
  const told: readonly (readonly [string, number | undefined])[] = [
    ['predicted as it parked', predicted.downtimeMs],
    ['estimated before', estimated?.downtimeMs],
  ]
  return told.flatMap(([name, ms]) =>
    ms === undefined || ms === 0 ? [] : [{ name, ms, text: `${formatMs(ms)}${howFarOff(ms, downtimeMs)}` }],
  )
}

/** E.g. `, 22 % too much`; nothing where it was right, or there is nothing to compare with. */
export function howFarOff(foreseenMs: number, actualMs: number): string {
  if (!(actualMs > 0)) return ''
  const percent = Math.round((100 * Math.abs(foreseenMs - actualMs)) / actualMs)
  return percent === 0 ? '' : `, ${grouped(percent)} % too ${foreseenMs > actualMs ? 'much' : 'little'}`
}

const SHOWN_ROUNDS = 12

/** Rounds of which there is a line, with their numbers; of many that look alike the first and the last. */
export function shownRounds(
  rounds: readonly RoundReport[],
  all: boolean,
): { readonly index: number; readonly round: RoundReport }[] {
  const numbered = rounds.map((round, index) => ({ index, round }))
  if (all || rounds.length <= SHOWN_ROUNDS) return numbered
  return [...numbered.slice(0, SHOWN_ROUNDS - 2), ...numbered.slice(-2)]
}
