/** The report of a move: what was when, what the downtime is made of, and what had been foreseen. */
import type { MigrationReport } from '@godwit/protocol'
import { useState } from 'preact/hooks'
import { formatBytes, formatMs, formatPercent, formatRate, grouped, plural } from '../format/units.ts'
import { type Fact, Facts, Figures } from '../ui/facts.tsx'
import './move-report.css'
import {
  beginOf,
  downtimePartsOf,
  forecastsOf,
  howFarOff,
  lengthOf,
  rateOf,
  roundText,
  shownRounds,
  spansOf,
} from './move-timeline.ts'

interface MoveReportProps {
  readonly report: MigrationReport
  /** Of the downtime, as the person chose it. */
  readonly limitMs: number
}

export function MoveReport({ report, limitMs }: MoveReportProps) {
  return (
    <div class="move-report">
      <Outcome report={report} />
      {report.downtimeMs > 0 && <Downtime report={report} limitMs={limitMs} />}
      <Timeline report={report} />
      <Rounds report={report} />
      <Details report={report} />
    </div>
  )
}

function Outcome({ report }: { readonly report: MigrationReport }) {
  const { downtimeMs, totalMs, wireBytes, rounds, lostTimeMs, step, status, predicted } = report
  const foreseen = predicted.totalMs === 0 ? '' : howFarOff(predicted.totalMs, totalMs)
  const figures: Fact[] = [
    downtimeMs > 0 && ['Downtime', formatMs(downtimeMs)],
    [
      'In all',
      formatMs(totalMs),
      foreseen === '' ? undefined : `predicted ${formatMs(predicted.totalMs)}${foreseen}`,
    ],
    ['Sent', formatBytes(wireBytes), plural(rounds.length, 'round')],
    lostTimeMs === null
      ? ['Lost time', 'not known yet', 'known ten steps after the move']
      : ['Lost time', formatMs(lostTimeMs), 'over the steps of the move and the ten after it'],
    status === 'completed' && ['Since step', grouped(step)],
  ]
  return <Figures figures={figures} />
}

function Downtime({ report, limitMs }: MoveReportProps) {
  const parts = downtimePartsOf(report)
  const forecasts = forecastsOf(report)
  const scaleMs = Math.max(report.downtimeMs, ...forecasts.map(({ ms }) => ms))
  const width = (ms: number) => ({ width: `${(100 * Math.max(0, ms)) / scaleMs}%` })
  return (
    <section class="move-part">
      <h3>Downtime in its parts</h3>
      <div class="downtime-bars" aria-hidden="true">
        <span>took: {formatMs(report.downtimeMs)}</span>
        <div class="stack" style={width(report.downtimeMs)}>
          {parts.map(({ part, name, ms }, index) => (
            <i
              key={part}
              class={`part-${index + 1}`}
              style={{ flexGrow: Math.max(0, ms) }}
              title={`${name}: ${formatMs(ms)}`}
            />
          ))}
        </div>
        {forecasts.map(({ name, ms, text }) => [
          <span key={name}>
            {name}: {text}
          </span>,
          <div key={`${name} bar`} class="stack foreseen" style={width(ms)} />,
        ])}
      </div>
      <ul class="downtime-parts">
        {parts.map(({ part, name, what, ms }, index) => (
          <li key={part}>
            <i class={`part-${index + 1}`} aria-hidden="true" />
            <b>{formatMs(ms)}</b>
            <span>
              {name}: {what}
            </span>
          </li>
        ))}
      </ul>
      <p class="muted">
        {forecasts.length > 0 && (
          <span class="visually-hidden">
            {forecasts.map(({ name, text }) => `${name}: ${text}`).join('; ')}.{' '}
          </span>
        )}
        {formatMs(limitMs)} was allowed. The two clocks agree within {formatMs(report.clockErrorMs)}.
      </p>
    </section>
  )
}

function Timeline({ report }: { readonly report: MigrationReport }) {
  const spans = spansOf(report)
  const beginMs = beginOf(spans)
  const lengthMs = lengthOf(spans) - beginMs
  if (lengthMs <= 0) return null
  const share = (ms: number): string => `${(100 * ms) / lengthMs}%`
  return (
    <section class="move-part">
      <h3>What was when</h3>
      {beginMs > 0 && <p class="muted">After {formatMs(report.setupMs)} of setup:</p>}
      <div class="timeline" role="img" aria-label={spans.map(({ text }) => text).join('. ')}>
        {spans
          .filter(({ startMs }) => startMs >= beginMs)
          .map(({ kind, name, startMs, durationMs, text }) => (
            <div
              key={name}
              class={`span ${kind}`}
              style={{ left: share(startMs - beginMs), width: share(durationMs) }}
              title={text}
            >
              <span>{name}</span>
            </div>
          ))}
      </div>
      <div class="timeline-scale" aria-hidden="true">
        {[0, 0.25, 0.5, 0.75, 1].map((at) => (
          <span key={at}>{formatMs(beginMs + at * lengthMs)}</span>
        ))}
      </div>
    </section>
  )
}

const SHARE = 'Share of the largest round'
const COLUMNS = ['Round', 'Pages', SHARE, 'Sent', 'Rate', 'Codec', 'Took', 'Steps meanwhile']
/** Left out where there is little room. */
const MINOR: ReadonlySet<string> = new Set([SHARE, 'Rate', 'Codec'])

function Rounds({ report }: { readonly report: MigrationReport }) {
  const [areAllShown, showAll] = useState(false)
  const { rounds } = report
  if (rounds.length === 0) return null
  const shown = shownRounds(rounds, areAllShown)
  const most = Math.max(...rounds.map(({ pages }) => pages))
  return (
    <section class="move-part">
      <h3>Rounds</h3>
      <div class="table-scroll">
        <table class="lines">
          <thead>
            <tr>
              {COLUMNS.map((title) => (
                <th
                  scope="col"
                  class={`${title === 'Round' ? '' : 'number'} ${MINOR.has(title) ? 'minor' : ''}`}
                  key={title}
                >
                  {title === SHARE ? <span class="visually-hidden">{title}</span> : title}
                </th>
              ))}
            </tr>
          </thead>
          <tbody>
            {shown.map(({ index, round }) => (
              <tr key={index} title={roundText(round, index)}>
                <th scope="row">{index}</th>
                <td class="number">{grouped(round.pages)}</td>
                <td class="round-share minor">
                  <i style={{ width: `${most === 0 ? 0 : (100 * round.pages) / most}%` }} />
                  <span class="visually-hidden">{formatPercent(most === 0 ? 0 : round.pages / most)}</span>
                </td>
                <td class="number">{formatBytes(round.wireBytes)}</td>
                <td class="number minor">{formatRate(rateOf(round))}</td>
                <td class="number minor">{round.codec}</td>
                <td class="number">{formatMs(round.durationMs)}</td>
                <td class="number">{grouped(round.steps)}</td>
              </tr>
            ))}
          </tbody>
        </table>
      </div>
      {shown.length < rounds.length && (
        <button type="button" class="chip" onClick={() => showAll(true)}>
          Show all {grouped(rounds.length)} rounds
        </button>
      )}
    </section>
  )
}

const PARK_POINTS: Record<MigrationReport['parkPoint'], string> = {
  boundary: 'after apply',
  preApply: 'before apply',
}

function Details({ report }: { readonly report: MigrationReport }) {
  const { parkReason, parkPoint, parks, pageBytes, wireBytes, deltaBytes, stepSlowdown, verifyMs } = report
  const facts: Fact[] = [
    report.downtimeMs > 0 && [
      'Why it parked',
      `${parkReason}; ${PARK_POINTS[parkPoint]}, ${plural(parks, 'park')}`,
    ],
    ['Memory', `${formatBytes(pageBytes)} of pages, ${formatBytes(wireBytes)} on the wire`],
    deltaBytes > 0 && ['Delta', `${formatBytes(deltaBytes)} went over in place of the pages that it writes`],
    ['In flight', `${formatBytes(report.maxInFlightBytes)} at most, sent and not yet installed`],
    ['How', `${report.tracker}, ${report.codec}, ${plural(report.streams, 'stream')}`],
    ['Setup', formatMs(report.setupMs)],
    stepSlowdown !== undefined && [
      'Steps meanwhile',
      `${formatPercent(Math.abs(stepSlowdown))} ${stepSlowdown < 0 ? 'shorter' : 'longer'} than before`,
    ],
    verifyMs !== undefined && [
      'Verified',
      `memory is the same at both ends: ${formatMs(verifyMs)} of the downtime`,
    ],
    ['Claim', `${formatMs(report.claimRoundTripMs)} to the coordinator and back`],
  ]
  return (
    <section class="move-part">
      <h3>Details</h3>
      <Facts facts={facts} />
    </section>
  )
}
