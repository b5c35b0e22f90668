/**
 * Steps that a restarted job takes a second time, compared with what was accepted the first time.
 *
 * A checkpoint is older than the crash, so the job goes over ground it has covered. Nothing of that is published, and all of it is
 * worth something: a job whose bits are promised must give the very same ones. If it does not, its program depends on something it
 * must not, or a machine is broken; either way everything since is in doubt, and a person is told.
 *
 * Invariants: a step is compared once, and only when the epoch that computed it is the restart's or a later one; equal means the same
 * 64 bits, so that -0 is not 0.
 */
import type { Divergence, Output } from '@godwit/protocol'

export interface Recomputation {
  /** Of the restart: what older epochs say is no recomputation. */
  readonly epoch: number
  /** The first step that was not seen again yet. */
  readonly nextStep: number
  /** Accepted steps as the restart was granted: from here on everything is new. */
  readonly untilStep: number
}

/** Undefined when the checkpoint is as far as the accepted steps. */
export function beginRecomputation(
  epoch: number,
  checkpointStep: number,
  acceptedSteps: number,
): Recomputation | undefined {
  if (checkpointStep >= acceptedSteps) return undefined
  return { epoch, nextStep: checkpointStep, untilStep: acceptedSteps }
}

/** `accepted`: the output of that step that counts, if it is kept. What is left to do is undefined once all is done. */
export function compareSteps(
  recomputation: Recomputation,
  outputs: readonly Output[],
  accepted: (step: number) => Output | undefined,
): { readonly left: Recomputation | undefined; readonly diverged?: Divergence } {
  const { epoch, untilStep } = recomputation
  let { nextStep } = recomputation
  let diverged: Divergence | undefined
  for (const output of outputs) {
    // A worker sends again what was not acknowledged.
    if (output.epoch < epoch || output.step < nextStep) continue
    nextStep = Math.min(output.step + 1, untilStep)
    if (output.step >= untilStep) continue
    const before = accepted(output.step)
    if (diverged !== undefined || before === undefined || Object.is(before.loss, output.loss)) continue
    diverged = { step: output.step, acceptedLoss: before.loss, recomputedLoss: output.loss }
  }
  const left = nextStep < untilStep ? { ...recomputation, nextStep } : undefined
  return diverged === undefined ? { left } : { left, diverged }
}

/**
 * The last step that workers may forget. Behind a recomputation it is the last one that was seen again: a worker
 * drops what is acknowledged, and would never send what it has yet to compute.
 */
export function acknowledgedStep(acceptedSteps: number, recomputation: Recomputation | undefined): number {
  return Math.min(acceptedSteps, recomputation?.nextStep ?? acceptedSteps) - 1
}
