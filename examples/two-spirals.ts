/**
 * Two spirals: a small neural network learns which of two intertwined spirals a point in the plane belongs to.
 *
 * This is a whole program for Godwit, written to be read from top to bottom. It uses no library, so that nothing hides
 * what Godwit asks of a program. That is little:
 *
 *   1. everything large that changes (weights, what the optimizer remembers) lives in *tensors* that Godwit hands out;
 *   2. everything small that changes (which step are we at?) lives in one plain object, the *small state*;
 *   3. a step comes in two halves: `compute` only looks and returns what it found out, `apply` writes it down;
 *   4. the same seed gives the same bits, every time and everywhere.
 *
 * In return the job can be moved to another machine while it runs, between two steps, and nobody can tell from its loss
 * curve that it was moved.
 *
 * The network: 2 inputs, one hidden layer, 1 output. Trained by gradient descent with momentum on small batches.
 */
import { type Delta, defineProgram } from '@godwit/worker/contract'

/** The small state: all that this program has to remember outside of its tensors. Numbers, strings, arrays are fine. */
type State = { step: number }

export default defineProgram<State>({
  // What people call the program.
  name: 'two-spirals',

  // What they may change, with what it is if they don't: `godwit run ./examples/two-spirals.ts --param hidden=128`.
  parameters: { seed: 1, hidden: 64, batchSize: 32, learningRate: 0.02, momentum: 0.9 },

  /**
   * Called once on each machine that the job runs on: again after a move. Declare the tensors here, load or make the
   * data, and return the functions that take steps. Whatever you make here must come out the same on every machine, so
   * let it depend on `parameters` and on nothing else.
   */
  setup(context) {
    const seed = Number(context.parameters.seed)
    const hidden = Number(context.parameters.hidden)
    const batchSize = Number(context.parameters.batchSize)
    const learningRate = Number(context.parameters.learningRate)
    const momentum = Number(context.parameters.momentum)

    // Training data. It never changes, so it need not move: the target makes its own copy, from the same numbers. (A file
    // would be read with `context.localFile('points.csv')`, and Godwit would make sure that both machines have the same.)
    const points = makeSpirals()

    // The tensors. Each is an ordinary typed array, but it lies in memory that Godwit watches: when the job moves, only
    // what was written lately has to be sent again. All numbers of the network in one tensor keeps this example short:
    // for each hidden unit two weights of its inputs, a bias, and its weight in the output; one bias of the output last.
    const count = hidden * 4 + 1
    const weights = context.tensor('weights', 'float32', [count])

    // Momentum remembers past gradients. That must survive a move as well, so it is a tensor too, not a variable.
    const velocity = context.tensor('velocity', 'float32', [count])

    // `compute` will return one array, the gradient. Its name, type and greatest length are announced here.
    context.delta('gradient', 'float32', count)

    return {
      /**
       * The beginning of a job: fill every tensor (zeros too) and return the first small state. Random weights come from
       * the seed, by a function of our own: `Math.random` would give other weights each time.
       */
      init(): State {
        for (let i = 0; i < count; i++) weights[i] = random(seed, i) * 2 - 1
        velocity.fill(0)
        return { step: 0 }
      },

      /**
       * The first half of a step: look at the weights and at some of the data, find the loss and its gradient. It writes
       * to no tensor and not to the state. While it runs, memory stands still, and Godwit uses that to send what is left.
       */
      compute({ step }): Delta {
        const gradient = new Float32Array(count)
        let loss = 0
        for (let i = 0; i < batchSize; i++) {
          // Which points are in the batch follows from the seed and the step: after a move the next batch is the one
          // that would have come next anyway.
          const index = Math.floor(random(seed + 1, step * batchSize + i) * points.length)
          loss += addGradient(weights, points[index] as Point, gradient)
        }
        for (let i = 0; i < count; i++) gradient[i] = at(gradient, i) / batchSize

        const values: Delta['values'] = { loss: loss / batchSize }
        // Now and then, how many of all points are on the right side? It goes into the delta like everything else.
        if (step % 100 === 0) values.accuracy = accuracy(weights, points)
        return { arrays: { gradient }, values }
      },

      /**
       * The second half: the only place where tensors and state are written. It sees what `compute` returned, the delta,
       * and nothing else of it: the delta may have been computed on another machine a moment ago.
       */
      apply(state, { arrays, values }) {
        const gradient = arrays.gradient as Float32Array
        for (let i = 0; i < count; i++) {
          velocity[i] = momentum * at(velocity, i) - learningRate * at(gradient, i)
          weights[i] = at(weights, i) + at(velocity, i)
        }
        state.step += 1
        // What people see of the step. Times and steps per second are measured by Godwit itself.
        const { loss, accuracy } = values
        return typeof accuracy === 'number' ? { loss, metrics: { accuracy } } : { loss }
      },

      /**
       * This one may be left out. Before the job moves its program is told, for the case that it keeps something open beside its steps:
       * a file, a connection. It can't prevent the move, only ask for some more steps before (`return { afterSteps: 10 }`), and
       * must change neither tensors nor state.
       */
      onMigrating({ from, to, step }) {
        console.error(`${step} steps are taken; the job is about to move from ${from} to ${to}`)
        return undefined
      },
    }
  },
})

// Below is the mathematics: plain functions without a memory of their own.

interface Point {
  readonly x: number
  readonly y: number
  /** Which spiral: 1 or -1. */
  readonly side: number
}

/**
 * 200 points on each of two spirals, one the other turned by half a turn.
 *
 * No `Math.sin` here: its last bits differ between processors, and a job that moves from one to another would train on
 * other points. Instead an arrow is turned a little for each point, which takes nothing but products and sums (and a
 * square root, which is exact everywhere). `Math.exp`, `Math.pow` and `**` are of the same kind as `Math.sin`; they are
 * fine inside of libraries that bring their own, such as jax-js, and `--check` points them out.
 */
function makeSpirals(): Point[] {
  const points: Point[] = []
  const turn = { x: 0.998, y: Math.sqrt(1 - 0.998 * 0.998) }
  let arrow = { x: 1, y: 0 }
  for (let i = 0; i < 200; i++) {
    const radius = 0.1 + (0.9 * i) / 200
    for (const side of [1, -1]) points.push({ x: side * radius * arrow.x, y: side * radius * arrow.y, side })
    arrow = { x: arrow.x * turn.x - arrow.y * turn.y, y: arrow.x * turn.y + arrow.y * turn.x }
  }
  return points
}

/** A number from 0 to 1 that follows from `seed` and `counter` alone: no generator whose state could be left behind. */
function random(seed: number, counter: number): number {
  let bits = Math.imul(seed, 0x9e3779b1) ^ Math.imul(counter + 1, 0x85ebca6b)
  bits = Math.imul(bits ^ (bits >>> 16), 0x21f0aaad)
  bits = Math.imul(bits ^ (bits >>> 15), 0x735a2d97)
  return ((bits ^ (bits >>> 15)) >>> 0) / 4294967296
}

/** The usual S-shape of a hidden unit, without an exponential: x / (1 + |x|), known as softsign. */
function squash(x: number): number {
  return x / (1 + Math.abs(x))
}

/** What hidden unit `unit` makes of a point, before and after squashing. Inputs are stretched, for sharper turns. */
function hiddenUnit(weights: Float32Array, unit: number, { x, y }: Point): { sum: number; output: number } {
  const sum = 8 * (at(weights, unit * 4) * x + at(weights, unit * 4 + 1) * y) + 4 * at(weights, unit * 4 + 2)
  return { sum, output: squash(sum) }
}

/** The network's answer: above 0 for one spiral, below for the other. */
function answer(weights: Float32Array, point: Point): number {
  let sum = at(weights, weights.length - 1)
  for (let unit = 0; unit * 4 < weights.length - 1; unit++) {
    sum += at(weights, unit * 4 + 3) * hiddenUnit(weights, unit, point).output
  }
  return sum
}

/** Adds one point's gradient (back-propagation by hand) to `gradient`; returns its loss, half the squared error. */
function addGradient(weights: Float32Array, point: Point, gradient: Float32Array): number {
  const error = answer(weights, point) - point.side
  const add = (index: number, amount: number): void => {
    gradient[index] = at(gradient, index) + amount
  }
  add(weights.length - 1, error)
  for (let unit = 0; unit * 4 < weights.length - 1; unit++) {
    const { sum, output } = hiddenUnit(weights, unit, point)
    // The slope of x / (1 + |x|) is 1 / (1 + |x|) squared.
    const slope = 1 / ((1 + Math.abs(sum)) * (1 + Math.abs(sum)))
    const back = error * at(weights, unit * 4 + 3) * slope
    add(unit * 4, back * 8 * point.x)
    add(unit * 4 + 1, back * 8 * point.y)
    add(unit * 4 + 2, back * 4)
    add(unit * 4 + 3, error * output)
  }
  return (error * error) / 2
}

/** The part of the points, from 0 to 1, that the network puts on the right spiral. */
function accuracy(weights: Float32Array, points: readonly Point[]): number {
  return points.filter((point) => answer(weights, point) * point.side > 0).length / points.length
}

/** An element of an array. TypeScript can't know that the index lies inside; here it always does. */
function at(array: Float32Array, index: number): number {
  return array[index] as number
}
