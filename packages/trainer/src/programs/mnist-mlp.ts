/**
 * Handwritten digits: a multilayer perceptron, 784-512-256-10, trained on all of MNIST by Adam. The plain dense case:
 * nearly every page of parameters and moments is rewritten by each step (6.4 MB), a step takes some 10 ms, and
 * parking before `apply` is what makes a move cheap.
 *
 * Batch s is a function of the seed and s: the training set is walked in an order shuffled anew for each epoch, and
 * the shuffle is computed, not stored. Small state is the step and Adam's two powers.
 *
 * Metric: `validationAccuracy`, the part of the first `validateExamples` test images that the parameters before the
 * step get right, at step 0 and every `validateEvery` steps.
 */
import { type Delta, defineProgram, type SetupContext } from '@godwit/worker/contract'
import { ADAM_DEFAULTS, type AdamSettings, adamUpdate, advanceClock } from '../adam.ts'
import {
  DIGITS,
  gatherImages,
  gatherOneHot,
  IMAGE_PIXELS,
  loadMnist,
  type MnistSplit,
} from '../data/mnist.ts'
import { type Jax, type JaxArray, loadJax, readFloats, readScalar, toJax } from '../jax.ts'
import { numberParameter, SEED_RANGE } from '../parameters.ts'
import { shuffle } from '../random.ts'
import {
  clearMoments,
  declareWeights,
  fillGlorot,
  gradientOf,
  readGradients,
  toTree,
  type Weights,
} from '../tensors.ts'

const SHAPES = {
  w1: [IMAGE_PIXELS, 512],
  b1: [512],
  w2: [512, 256],
  b2: [256],
  w3: [256, DIGITS],
  b3: [DIGITS],
} as const

type Tree = Record<keyof typeof SHAPES, JaxArray>
type State = { step: number; beta1Power: number; beta2Power: number }

/** Random streams: weights take theirs from 0 up, epochs from here up. */
const EPOCH_STREAMS = 1000

export default defineProgram<State>({
  name: 'mnist-mlp',
  parameters: { seed: 1, batchSize: 64, learningRate: 0.001, validateEvery: 50, validateExamples: 500 },

  async setup(context: SetupContext) {
    const seed = numberParameter(context, 'seed', SEED_RANGE)
    const batchSize = numberParameter(context, 'batchSize', { min: 1, max: 4096, integer: true })
    const validateEvery = numberParameter(context, 'validateEvery', { min: 1, max: 1e9, integer: true })
    const validateExamples = numberParameter(context, 'validateExamples', {
      min: 1,
      max: 10_000,
      integer: true,
    })
    const learningRate = numberParameter(context, 'learningRate', { min: 0, max: 1 })
    const adam: AdamSettings = { ...ADAM_DEFAULTS, learningRate }

    const weights = declareWeights(context, SHAPES)
    const { train, test } = loadMnist(context)
    const jax = await loadJax()
    const lossAndGradients = compileLoss(jax, batchSize)
    const accuracy = accuracyOn(jax, test, validateExamples)

    return {
      init() {
        for (const [stream, weight] of weights.entries()) {
          if (weight.shape.length === 2) fillGlorot(weight, seed, stream)
          else weight.value.fill(0)
        }
        clearMoments(weights)
        return { step: 0, beta1Power: 1, beta2Power: 1 }
      },

      compute({ step }): Delta {
        const batch = batchOf({ seed, step, batchSize, count: train.count })
        const [loss, gradients] = lossAndGradients(
          toTree<keyof Tree>(jax, weights),
          toJax(jax, gatherImages(train, batch), [batchSize, IMAGE_PIXELS]),
          toJax(jax, gatherOneHot(train, batch), [batchSize, DIGITS]),
        )
        const values: Delta['values'] = { loss: readScalar(loss) }
        if (step % validateEvery === 0) values.validationAccuracy = accuracy(weights)
        return { arrays: readGradients(gradients), values }
      },

      apply(state, { arrays, values }) {
        advanceClock(state, adam)
        for (const weight of weights) adamUpdate(weight, gradientOf(arrays, weight.name), state, adam)
        state.step++
        const { loss, validationAccuracy } = values
        return typeof validationAccuracy === 'number' ? { loss, metrics: { validationAccuracy } } : { loss }
      },
    }
  },
})

/** The images of batch `step`: places step * batchSize and on in an endless row of shuffled epochs. */
export function batchOf(at: { seed: number; step: number; batchSize: number; count: number }): Int32Array {
  const first = at.step * at.batchSize
  const batch = new Int32Array(at.batchSize)
  let epoch = -1
  let deck = shuffle({ seed: at.seed, stream: 0 }, at.count)
  for (let i = 0; i < at.batchSize; i++) {
    const place = first + i
    if (Math.floor(place / at.count) !== epoch) {
      epoch = Math.floor(place / at.count)
      deck = shuffle({ seed: at.seed, stream: EPOCH_STREAMS + epoch }, at.count)
    }
    batch[i] = deck.at(place - epoch * at.count)
  }
  return batch
}

/** Images [batch, 784] to logits [batch, 10]. Consumes all it is given. */
function forward({ numpy: np, nn }: Jax, { w1, b1, w2, b2, w3, b3 }: Tree, images: JaxArray): JaxArray {
  const hidden1 = nn.relu(np.matmul(images, w1).add(b1))
  const hidden2 = nn.relu(np.matmul(hidden1, w2).add(b2))
  return np.matmul(hidden2, w3).add(b3)
}

/** The mean cross-entropy of a batch and its gradients, compiled at the first call. */
function compileLoss(jax: Jax, batchSize: number) {
  const meanLoss = (tree: Tree, images: JaxArray, oneHot: JaxArray): JaxArray =>
    jax.nn
      .logSoftmax(forward(jax, tree, images))
      .mul(oneHot)
      .sum()
      .mul(-1 / batchSize)
  return jax.jit(jax.valueAndGrad(meanLoss))
}

/** A function from weights to the part of the first `count` images of `split` whose greatest logit is the label's. */
function accuracyOn(jax: Jax, split: MnistSplit, count: number): (weights: Weights) => number {
  const logitsOf = jax.jit((tree: Tree, images: JaxArray) => forward(jax, tree, images))
  const images = gatherImages(
    split,
    Array.from({ length: count }, (_, i) => i),
  )
  return (weights) => {
    const logits = readFloats(
      logitsOf(toTree<keyof Tree>(jax, weights), toJax(jax, images, [count, IMAGE_PIXELS])),
    )
    let right = 0
    for (let row = 0; row < count; row++) {
      const scores = logits.subarray(row * DIGITS, (row + 1) * DIGITS)
      if (scores.indexOf(Math.max(...scores)) === split.labels[row]) right++
    }
    return right / count
  }
}
