/**
 * The notice that a program is given before its job switches over.
 *
 * Intuition: the program may delay what it can't prevent. It gets half of what is left of the migration's own time at most, so that
 * neither a slow answer nor none makes a move fail.
 *
 * Invariant: one notice for each attempt to switch over.
 */
import { LIMITS } from '@godwit/protocol'
import type { SourceEffect, SourceRun } from './source-types.ts'

/** A program that wants to know has not been told yet, or has not had its time. */
export function awaitsProgram({ config, notice }: SourceRun, nowMs: number): boolean {
  if (config.tellsProgram !== true) return false
  return notice === undefined || (!notice.isReady && nowMs < notice.untilMs)
}

/** With the notice on record; and the effect that gives it, unless it was given before. */
export function tellProgram(run: SourceRun, nowMs: number): { told: SourceRun; effects: SourceEffect[] } {
  if (run.notice !== undefined) return { told: run, effects: [] }
  const leftMs = Math.max(0, run.startedMs + run.heldMs + run.config.options.timeoutMs - nowMs)
  const untilMs = nowMs + Math.min(LIMITS.maxNoticeMs, leftMs / 2)
  return {
    told: { ...run, notice: { untilMs, isReady: false, problem: undefined } },
    effects: [{ type: 'notify' }],
  }
}

/** What the reason of the park says of a program that did not do as it was asked. */
export function problemOf({ notice }: SourceRun): string {
  if (notice === undefined || (notice.isReady && notice.problem === undefined)) return ''
  return `; ${notice.problem ?? 'the program was not ready in time'}`
}

/** It is ready; undefined where it is waited for no more. */
export function heardProgram(run: SourceRun, problem: string | undefined): SourceRun | undefined {
  const { notice } = run
  if (notice === undefined || notice.isReady) return undefined
  return { ...run, notice: { ...notice, isReady: true, problem } }
}
