/**
 * Adam, in place, over the tensors in paged memory.
 *
 * The library that computes gradients would return new parameters and new moments each step, in a heap of its own
 * that moves about. Here they are updated where they lie, so that the pages written are the pages that changed,
 * and nothing else must travel when the job moves.
 *
 * A page whose gradient and moments are all zero is left alone rather than written with what it holds: the weights
 * of an input that is always black stay clean, and the kernel need not report them. That is exact: their update is
 * value - rate * 0 / (0 + epsilon).
 *
 * Only + - * / and square roots, in 64 bits and rounded to 32 when stored: the same bits on every CPU. The powers
 * of the betas are kept in the small state and multiplied on, since `Math.pow` is not the same everywhere.
 */

/** Kingma and Ba, "Adam" (ICLR 2015); with `weightDecay` above 0, decoupled as in AdamW (Loshchilov and Hutter, 2019). */
export interface AdamSettings {
  learningRate: number
  beta1: number
  beta2: number
  epsilon: number
  /** Part of a weight that is taken away each step, times the learning rate. */
  weightDecay: number
}

export const ADAM_DEFAULTS = { beta1: 0.9, beta2: 0.999, epsilon: 1e-8, weightDecay: 0 } as const

/** Small state: beta to the power of the updates made so far; both start at 1. */
export type AdamClock = { beta1Power: number; beta2Power: number }

/** One tensor under training: its values and both moments, of one length. */
export interface AdamTensor {
  readonly value: Float32Array
  readonly first: Float32Array
  readonly second: Float32Array
}

/** Elements in a 4 KiB page. Tensors start on a page. */
const PAGE_FLOATS = 1024

/** Before a step's first `adamUpdate`: one more update is about to be made. */
export function advanceClock(clock: AdamClock, settings: AdamSettings): void {
  clock.beta1Power *= settings.beta1
  clock.beta2Power *= settings.beta2
}

/** One Adam update of `tensor`. `gradient` is as long as its values. */
export function adamUpdate(
  tensor: AdamTensor,
  gradient: Float32Array,
  clock: Readonly<AdamClock>,
  settings: AdamSettings,
): void {
  const { value, first, second } = tensor
  if (gradient.length !== value.length) {
    throw new RangeError(`A gradient of ${gradient.length} elements for a tensor of ${value.length}`)
  }
  const { learningRate, beta1, beta2, epsilon, weightDecay } = settings
  const rate = learningRate / (1 - clock.beta1Power)
  const secondScale = 1 / Math.sqrt(1 - clock.beta2Power)
  const keep = 1 - learningRate * weightDecay
  const fresh1 = 1 - beta1
  const fresh2 = 1 - beta2

  for (let begin = 0; begin < value.length; begin += PAGE_FLOATS) {
    const end = Math.min(begin + PAGE_FLOATS, value.length)
    if (weightDecay === 0 && isZero(gradient, begin, end) && isZero(first, begin, end)) continue
    for (let i = begin; i < end; i++) {
      const g = gradient[i] as number
      const m = beta1 * (first[i] as number) + fresh1 * g
      const v = beta2 * (second[i] as number) + fresh2 * g * g
      first[i] = m
      second[i] = v
      value[i] = keep * (value[i] as number) - (rate * m) / (Math.sqrt(v) * secondScale + epsilon)
    }
  }
}

/** Stops at the first element that is not zero, so a page that is used costs next to nothing. */
function isZero(values: Float32Array, begin: number, end: number): boolean {
  for (let i = begin; i < end; i++) if (values[i] !== 0) return false
  return true
}
