/** An estimate as people read it: the answer first, then what was measured for it, so that a surprise can be traced. */
import { type EstimateView, PAGE_BYTES } from '@godwit/protocol'
import { formatBytes, formatMs, formatRate, plural } from './units.ts'

/** Lines, the first a headline. */
export function renderEstimate(estimate: EstimateView): string[] {
  const { workload, from, to, converges, job, link } = estimate
  const verdict = converges ? 'converges' : 'does NOT converge'
  const point = estimate.parkPoint === 'preApply' ? 'before apply' : 'after apply'
  const writtenBytesPerSecond = (job.stepPages * PAGE_BYTES * 1000) / job.stepMs
  return [
    `${workload}: ${from} -> ${to} ${verdict} (${estimate.reason})`,
    '',
    `downtime  ${formatMs(estimate.downtimeMs)} expected, ${formatMs(estimate.downtimeLimitMs)} allowed, parked ${point}`,
    `time      ${formatMs(estimate.totalMs)} in total, setup ${formatMs(job.setupMs)} of it, ${plural(estimate.rounds, 'round')}`,
    `job       ${formatBytes(job.arenaPages * PAGE_BYTES)}, ${formatBytes(job.zeroPages * PAGE_BYTES)} of it zeros; a step takes ${formatMs(job.stepMs)} and writes ${formatBytes(job.stepPages * PAGE_BYTES)} (${formatRate(writtenBytesPerSecond)})${delta(estimate)}`,
    `link      ${formatRate(link.bytesPerMs * 1000)}, round trip ${formatMs(link.roundTripMs)}`,
    ...(converges
      ? []
      : [
          '',
          'it would move with a higher --downtime-limit-ms, --on-stall raise-limit or throttle, or --on-timeout force',
        ]),
  ]
}

function delta({ job: { deltaBytes, computeMs } }: EstimateView): string {
  return deltaBytes === undefined
    ? ''
    : `, after ${formatMs(computeMs)} of compute; its delta has ${formatBytes(deltaBytes)}`
}
