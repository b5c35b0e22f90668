/**
 * Watches a job that trains for a moment, to know what a move of it would have to carry.
 *
 * Its dirty pages are tracked as in a migration, and collected once a step, just after the step was applied. While that lasts the job pays
 * what the tracker costs, and nothing else: nothing is sent and nobody waits.
 *
 * The first collection may fall into an `apply`; only those after it count.
 */
import { setTimeout as delay } from 'node:timers/promises'
import { isZeroPage } from '@godwit/memory'
import { GodwitError, type JobMeasure, LIMITS, PAGE_BYTES, PageSet } from '@godwit/protocol'
import { nowMs } from './clock.ts'
import type { Job } from './job.ts'

/** Pages looked at to tell how many are zero. */
const SAMPLED_PAGES = 512
/** Steps that are watched, however long they take. */
const FEWEST_STEPS = 2
const POLL_MS = 1

/** Errors: `not-running` when the job takes no steps, those of arming the tracker. */
export async function probeJob(job: Job, setupMs: number): Promise<JobMeasure> {
  const { control, dirtyPages } = job
  const subscription = dirtyPages.subscribe()
  try {
    const beganMs = nowMs()
    const zeroPages = sampleZeroPages(subscription.image(), dirtyPages.pageCount)
    await nextStep(job, beganMs)
    subscription.take()
    const from = { atMs: nowMs(), step: control.step }
    const watched = new PageSet(dirtyPages.pageCount)
    let stepPages = dirtyPages.pageCount
    let [watchedSteps, tookMs] = [0, 0]
    while (tookMs < LIMITS.jobProbeMs || watchedSteps < FEWEST_STEPS) {
      await nextStep(job, beganMs)
      const pages = subscription.take()
      stepPages = Math.min(stepPages, pages.size)
      watched.addAll(pages)
      watchedSteps = control.step - from.step
      tookMs = nowMs() - from.atMs
    }
    const shape = control.lastCompute
    return {
      arenaPages: dirtyPages.pageCount,
      zeroPages,
      stepPages,
      watchedPages: watched.size,
      watchedSteps,
      stepMs: tookMs / watchedSteps,
      ...(shape && { computeMs: shape.computeMs, deltaBytes: shape.deltaBytes }),
      setupMs,
    }
  } finally {
    subscription.end()
  }
}

async function nextStep({ control }: Job, beganMs: number): Promise<void> {
  const before = control.step
  while (control.step === before) {
    if (nowMs() - beganMs > LIMITS.jobProbeTimeoutMs)
      throw new GodwitError(
        'not-running',
        `the workload took fewer than ${FEWEST_STEPS + 1} steps in ${LIMITS.jobProbeTimeoutMs} ms: too few to tell what its move would cost`,
      )
    await delay(POLL_MS)
  }
}

function sampleZeroPages(image: Buffer, pageCount: number): number {
  const samples = Math.min(SAMPLED_PAGES, pageCount)
  let zero = 0
  for (let sample = 0; sample < samples; sample++) {
    const page = Math.floor((sample * pageCount) / samples)
    if (isZeroPage(image, page * PAGE_BYTES)) zero += 1
  }
  return Math.round((zero / samples) * pageCount)
}
