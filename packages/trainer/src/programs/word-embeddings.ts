/**
 * Word vectors from Moby-Dick: skip-gram with negative sampling (Mikolov et al., NeurIPS 2013). The sparse, quick case:
 * two tables of a vector a word, 17 MB, of which a step of a millisecond writes only the rows of its words. Rows lie in
 * order of frequency, so that the rows written most share pages; the pages of a step are what the end of a move waits for.
 *
 * `compute` copies the rows out, jax-js gives the loss and the gradients of those rows, and they are the delta, with the
 * words they belong to. `apply` is row-wise Adagrad. Small state is the step alone.
 *
 * Metric: `validationLoss`, the loss a pair on fixed stretches of the held-out end of the book against fixed drawn words,
 * with the tables before the step, at step 0 and every `validateEvery` steps. Losses are in nats, summed over a
 * neighbour and its `negatives` drawn words: (1 + negatives) ln 2 at the start.
 */
import { type Delta, defineProgram, type SetupContext, type TypedArray } from '@godwit/worker/contract'
import { adagradRows, gatherRows, type RowTable } from '../adagrad.ts'
import { loadWords } from '../data/moby-dick.ts'
import { negatives as negativesOf, neighbourMask, stretches } from '../data/word-batches.ts'
import { type Jax, type JaxArray, loadJax, readFloats, readScalar, toJax } from '../jax.ts'
import { numberParameter, SEED_RANGE } from '../parameters.ts'
import { fillUniform } from '../random.ts'
import { gradientOf } from '../tensors.ts'

const WIDTH = 128
/** Neighbours are up to this many words away. */
const WINDOW = 4
/** Drawn words that all pairs of a step share, weighted as if each pair had `negatives` of its own. */
const SHARED_NEGATIVES = 64
const VALIDATION_STRETCHES = 8

const STREAMS = { centres: 0, stretches: 1, negatives: 2 } as const
/** The held-out score is the same for every seed. */
const VALIDATION_KEY = { seed: 0, stream: 1000 } as const

type State = { step: number }

/** The words of one loss: a stretch and the words drawn against it. */
interface Batch {
  words: Int32Array
  drawn: Int32Array
}

export default defineProgram<State>({
  name: 'word-embeddings',
  parameters: { seed: 1, batchSize: 64, learningRate: 0.1, negatives: 5, validateEvery: 100 },

  async setup(context: SetupContext) {
    const seed = numberParameter(context, 'seed', SEED_RANGE)
    const batchSize = numberParameter(context, 'batchSize', { min: 2 * WINDOW, max: 1024, integer: true })
    const learningRate = numberParameter(context, 'learningRate', { min: 0, max: 10 })
    const negatives = numberParameter(context, 'negatives', { min: 1, max: 64, integer: true })
    const validateEvery = numberParameter(context, 'validateEvery', { min: 1, max: 1e9, integer: true })

    const text = loadWords(context)
    const centres = declareTable(context, 'centres', text.vocabulary.length)
    const contexts = declareTable(context, 'contexts', text.vocabulary.length)
    context.delta('words', 'int32', batchSize)
    context.delta('drawn', 'int32', SHARED_NEGATIVES)
    context.delta('centreGradients', 'float32', batchSize * WIDTH)
    context.delta('contextGradients', 'float32', batchSize * WIDTH)
    context.delta('drawnGradients', 'float32', SHARED_NEGATIVES * WIDTH)

    const corpus = { words: text.train, counts: text.counts }
    const stretchOf = stretches(corpus, batchSize)
    const drawnOf = negativesOf(corpus, SHARED_NEGATIVES)
    const heldOut = validationBatches(text.heldOut, batchSize, drawnOf)
    const mask = neighbourMask(batchSize, WINDOW)

    const jax = await loadJax()
    const pairLoss = lossOf(jax, { mask, negatives })
    const lossAndGradients = jax.jit(jax.valueAndGrad(pairLoss))
    const lossAlone = jax.jit(pairLoss)
    const vectorsOf = ({ words, drawn }: Batch) => ({
      centre: toJax(jax, gatherRows(centres, words), [batchSize, WIDTH]),
      context: toJax(jax, gatherRows(contexts, words), [batchSize, WIDTH]),
      drawn: toJax(jax, gatherRows(contexts, drawn), [SHARED_NEGATIVES, WIDTH]),
    })
    const maskArray = () => toJax(jax, mask, [batchSize, batchSize])

    return {
      init() {
        fillUniform(centres.values, { seed, stream: STREAMS.centres }, 0.5 / WIDTH)
        for (const zeros of [contexts.values, centres.sums, contexts.sums]) zeros.fill(0)
        return { step: 0 }
      },

      compute({ step }): Delta {
        const batch: Batch = {
          words: stretchOf({ seed, stream: STREAMS.stretches }, step),
          drawn: drawnOf({ seed, stream: STREAMS.negatives }, step),
        }
        const [loss, gradients] = lossAndGradients(vectorsOf(batch), maskArray())
        const values: Delta['values'] = { loss: readScalar(loss) }
        if (step % validateEvery === 0) {
          const losses = heldOut.map((held) => readScalar(lossAlone(vectorsOf(held), maskArray())))
          values.validationLoss = losses.reduce((sum, held) => sum + held, 0) / losses.length
        }
        const arrays = {
          words: batch.words,
          drawn: batch.drawn,
          centreGradients: readFloats(gradients.centre),
          contextGradients: readFloats(gradients.context),
          drawnGradients: readFloats(gradients.drawn),
        }
        return { arrays, values }
      },

      apply(state, { arrays, values }) {
        const [words, drawn] = [rowsOf(arrays, 'words'), rowsOf(arrays, 'drawn')]
        adagradRows(centres, words, gradientOf(arrays, 'centreGradients'), learningRate)
        adagradRows(contexts, words, gradientOf(arrays, 'contextGradients'), learningRate)
        adagradRows(contexts, drawn, gradientOf(arrays, 'drawnGradients'), learningRate)
        state.step++
        const { loss, validationLoss } = values
        return typeof validationLoss === 'number' ? { loss, metrics: { validationLoss } } : { loss }
      },
    }
  },
})

function declareTable(context: SetupContext, name: string, rows: number): RowTable {
  const values = context.tensor(name, 'float32', [rows, WIDTH])
  return { width: WIDTH, values, sums: context.tensor(`${name}.sums`, 'float32', [rows]) }
}

function rowsOf(arrays: Readonly<Record<string, TypedArray>>, name: string): Int32Array {
  const rows = arrays[name]
  if (!(rows instanceof Int32Array)) throw new TypeError(`The delta holds no int32 rows under ${name}`)
  return rows
}

/** Stretches spread evenly over the held-out text, word by word, each with words drawn against it. */
function validationBatches(
  heldOut: Int32Array,
  length: number,
  drawnOf: (key: typeof VALIDATION_KEY, step: number) => Int32Array,
): Batch[] {
  return Array.from({ length: VALIDATION_STRETCHES }, (_, i) => {
    const first = Math.floor((i * (heldOut.length - length)) / VALIDATION_STRETCHES)
    return { words: heldOut.slice(first, first + length), drawn: drawnOf(VALIDATION_KEY, i) }
  })
}

/** The loss a pair: vectors are centre and context [batch, 128], drawn [64, 128]; neighbours is `mask`, [batch, batch]. */
function lossOf(jax: Jax, { mask, negatives }: { mask: Float32Array; negatives: number }) {
  const { numpy: np } = jax
  const pairs = mask.reduce((sum, one) => sum + one, 0)

  /** -log sigmoid(-x) = log(1 + exp(x)), cut off far above any score, where exp would overflow. */
  const penalty = (scores: JaxArray): JaxArray => np.log(np.exp(np.minimum(scores, 60)).add(1))

  return (
    { centre, context, drawn }: Record<'centre' | 'context' | 'drawn', JaxArray>,
    neighbours: JaxArray,
  ): JaxArray => {
    const near = np.matmul(centre.ref, context.transpose())
    const far = np.matmul(centre, drawn.transpose())
    const pairsOfCentre = neighbours.ref.sum(1, { keepdims: true })
    const pull = penalty(near.neg()).mul(neighbours).sum()
    const push = penalty(far).mul(pairsOfCentre).sum()
    return pull.add(push.mul(negatives / SHARED_NEGATIVES)).mul(1 / pairs)
  }
}
