/**
 * A language model over the characters of Moby-Dick: a transformer of 4 layers, width 128, 4 heads, over 64 characters,
 * trained by AdamW. The slow dense case: every page of its 9.9 MB is rewritten by each step, but a step takes a third
 * of a second, nearly all of it `compute`; the writes of one `apply` have long drained when the next one comes.
 *
 * Blocks are pre-normalised (RMSNorm: Zhang and Sennrich, NeurIPS 2019) and have no biases. Characters go in as rows
 * with a single 1, times the embedding: jax-js has no gradient for picking rows by number under `jit`.
 *
 * Batch s is a function of the seed and s: places drawn at random in the text. Metric: `validationLoss`, the mean
 * cross-entropy in nats over a fixed batch from the held-out end of the book, with the parameters before the step,
 * at step 0 and every `validateEvery` steps.
 */
import { type Delta, defineProgram, type SetupContext } from '@godwit/worker/contract'
import { type AdamSettings, adamUpdate, advanceClock } from '../adam.ts'
import { loadCharacters } from '../data/moby-dick.ts'
import { type Jax, type JaxArray, loadJax, readScalar, toJax } from '../jax.ts'
import { numberParameter, SEED_RANGE } from '../parameters.ts'
import { randomIndex } from '../random.ts'
import {
  clearMoments,
  declareWeights,
  fillGlorot,
  gradientOf,
  readGradients,
  toTree,
  type Weights,
} from '../tensors.ts'

const WIDTH = 128
const HEADS = 4
const HEAD_WIDTH = WIDTH / HEADS
const HIDDEN = 4 * WIDTH
const SPAN = 64
/** Added to a score that would look into the future: its softmax is exactly 0, and no infinity meets another. */
const MASKED = -1e9

/** Numbers of symbols are rounded up to this: jax-js's fast matrix kernels want whole vectors, the rest never occurs. */
const LANES = 16

type Tree = Record<string, JaxArray>
type State = { step: number; beta1Power: number; beta2Power: number }

/** The random stream of places in the text; weights take theirs from 0 up. */
const PLACE_STREAM = 1000

export default defineProgram<State>({
  name: 'char-transformer',
  parameters: {
    seed: 1,
    batchSize: 16,
    learningRate: 0.001,
    weightDecay: 0.01,
    layers: 4,
    validateEvery: 25,
  },

  async setup(context: SetupContext) {
    const seed = numberParameter(context, 'seed', SEED_RANGE)
    const batchSize = numberParameter(context, 'batchSize', { min: 1, max: 256, integer: true })
    const layers = numberParameter(context, 'layers', { min: 1, max: 16, integer: true })
    const validateEvery = numberParameter(context, 'validateEvery', { min: 1, max: 1e9, integer: true })
    const learningRate = numberParameter(context, 'learningRate', { min: 0, max: 1 })
    const weightDecay = numberParameter(context, 'weightDecay', { min: 0, max: 1 })
    const adam: AdamSettings = { learningRate, beta1: 0.9, beta2: 0.99, epsilon: 1e-8, weightDecay }
    const undecayed: AdamSettings = { ...adam, weightDecay: 0 }

    const text = loadCharacters(context)
    const symbols = Math.ceil(text.vocabulary.length / LANES) * LANES
    const weights = declareWeights(context, shapesOf(symbols, layers))
    const jax = await loadJax()
    const meanLoss = lossOf(jax, { batchSize, layers })
    const lossAndGradients = jax.jit(jax.valueAndGrad(meanLoss))
    const lossAlone = jax.jit(meanLoss)
    const mask = causalMask()

    /** What the loss takes besides the weights: inputs, the characters that follow them, the mask. */
    const batchArrays = (data: Int32Array, places: readonly number[]): [JaxArray, JaxArray, JaxArray] => [
      toJax(jax, oneHotSpans(data, places, symbols), [batchSize * SPAN, symbols]),
      toJax(
        jax,
        oneHotSpans(
          data,
          places.map((place) => place + 1),
          symbols,
        ),
        [batchSize * SPAN, symbols],
      ),
      toJax(jax, mask, [SPAN, SPAN]),
    ]
    const heldOutPlaces = evenPlaces(text.heldOut.length, batchSize)

    return {
      init() {
        fillWeights(weights, seed, layers)
        return { step: 0, beta1Power: 1, beta2Power: 1 }
      },

      compute({ step }): Delta {
        const places = placesOf({ seed, step, batchSize, length: text.train.length })
        const [loss, gradients] = lossAndGradients(toTree(jax, weights), ...batchArrays(text.train, places))
        const values: Delta['values'] = { loss: readScalar(loss) }
        if (step % validateEvery === 0) {
          const held = lossAlone(toTree(jax, weights), ...batchArrays(text.heldOut, heldOutPlaces))
          values.validationLoss = readScalar(held)
        }
        return { arrays: readGradients(gradients), values }
      },

      apply(state, { arrays, values }) {
        advanceClock(state, adam)
        for (const weight of weights) {
          adamUpdate(
            weight,
            gradientOf(arrays, weight.name),
            state,
            weight.shape.length === 2 ? adam : undecayed,
          )
        }
        state.step++
        const { loss, validationLoss } = values
        return typeof validationLoss === 'number' ? { loss, metrics: { validationLoss } } : { loss }
      },
    }
  },
})

/** Every weight by name. Vectors are the gains of norms: they start at 1 and do not decay. */
function shapesOf(symbols: number, layers: number): Record<string, readonly number[]> {
  const shapes: Record<string, readonly number[]> = { symbols: [symbols, WIDTH], places: [SPAN, WIDTH] }
  for (let layer = 0; layer < layers; layer++) {
    Object.assign(shapes, {
      [`${layer}.norm1`]: [WIDTH],
      [`${layer}.query`]: [WIDTH, WIDTH],
      [`${layer}.key`]: [WIDTH, WIDTH],
      [`${layer}.value`]: [WIDTH, WIDTH],
      [`${layer}.mix`]: [WIDTH, WIDTH],
      [`${layer}.norm2`]: [WIDTH],
      [`${layer}.up`]: [WIDTH, HIDDEN],
      [`${layer}.down`]: [HIDDEN, WIDTH],
    })
  }
  return { ...shapes, norm: [WIDTH], head: [WIDTH, symbols] }
}

/** What writes into the residual stream starts smaller by the square root of how often that happens (as in GPT-2). */
function fillWeights(weights: Weights, seed: number, layers: number): void {
  const shrink = 1 / Math.sqrt(2 * layers)
  for (const [stream, weight] of weights.entries()) {
    if (weight.shape.length === 1) weight.value.fill(1)
    else fillGlorot(weight, seed, stream)
    if (/\.(mix|down)$/.test(weight.name)) {
      for (let i = 0; i < weight.value.length; i++) weight.value[i] = (weight.value[i] as number) * shrink
    }
  }
  clearMoments(weights)
}

/** The mean cross-entropy in nats of a batch: inputs and targets are [batch * span, symbols] rows with a single 1. */
function lossOf(jax: Jax, { batchSize, layers }: { batchSize: number; layers: number }) {
  const { numpy: np, nn } = jax
  const rows = batchSize * SPAN
  const weight = (tree: Tree, name: string) => tree[name] as JaxArray

  /** x / rms(x) * gain, by rows. */
  const normalise = (x: JaxArray, gain: JaxArray): JaxArray => {
    const meanSquare = x.ref.mul(x.ref).mean(-1, { keepdims: true })
    return x.div(np.sqrt(meanSquare.add(1e-5))).mul(gain)
  }

  /** x times a matrix, [rows, 128] to [batch, heads, span, 32]. */
  const project = (x: JaxArray, matrix: JaxArray): JaxArray =>
    np.matmul(x, matrix).reshape([batchSize, SPAN, HEADS, HEAD_WIDTH]).transpose([0, 2, 1, 3])

  const attend = (x: JaxArray, own: (name: string) => JaxArray, mask: JaxArray): JaxArray => {
    const query = project(x.ref, own('query'))
    const key = project(x.ref, own('key'))
    const scores = np
      .matmul(query, key.transpose([0, 1, 3, 2]))
      .mul(1 / Math.sqrt(HEAD_WIDTH))
      .add(mask)
    const mixed = np.matmul(nn.softmax(scores, -1), project(x, own('value')))
    return np.matmul(mixed.transpose([0, 2, 1, 3]).reshape([rows, WIDTH]), own('mix'))
  }

  return (tree: Tree, inputs: JaxArray, targets: JaxArray, mask: JaxArray): JaxArray => {
    let x = np
      .matmul(inputs, weight(tree, 'symbols'))
      .reshape([batchSize, SPAN, WIDTH])
      .add(weight(tree, 'places'))
      .reshape([rows, WIDTH])
    for (let layer = 0; layer < layers; layer++) {
      const own = (name: string) => weight(tree, `${layer}.${name}`)
      x = x.ref.add(attend(normalise(x, own('norm1')), own, mask.ref))
      const hidden = nn.relu(np.matmul(normalise(x.ref, own('norm2')), own('up')))
      x = x.add(np.matmul(hidden, own('down')))
    }
    mask.dispose()
    const logits = np.matmul(normalise(x, weight(tree, 'norm')), weight(tree, 'head'))
    return nn
      .logSoftmax(logits)
      .mul(targets)
      .sum()
      .mul(-1 / rows)
  }
}

/** Where the spans of batch `step` begin: the character after a span's last must still lie in the text. */
function placesOf(at: { seed: number; step: number; batchSize: number; length: number }): number[] {
  const key = { seed: at.seed, stream: PLACE_STREAM }
  return Array.from({ length: at.batchSize }, (_, i) =>
    randomIndex(key, at.step * at.batchSize + i, at.length - SPAN),
  )
}

/** `count` places spread evenly over a text: the same for every seed. */
function evenPlaces(length: number, count: number): number[] {
  return Array.from({ length: count }, (_, i) => Math.floor((i * (length - SPAN)) / count))
}

/** The spans at `places` as rows with a single 1, [places * span, symbols]. */
function oneHotSpans(data: Int32Array, places: readonly number[], symbols: number): Float32Array {
  const out = new Float32Array(places.length * SPAN * symbols)
  for (const [i, place] of places.entries()) {
    for (let t = 0; t < SPAN; t++) out[(i * SPAN + t) * symbols + (data[place + t] as number)] = 1
  }
  return out
}

/** [span, span]: 0 where the column is not after the row. */
function causalMask(): Float32Array {
  return Float32Array.from({ length: SPAN * SPAN }, (_, i) => (i % SPAN > Math.floor(i / SPAN) ? MASKED : 0))
}
