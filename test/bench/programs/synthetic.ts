/**
 * The program of the benchmark's cases: it dirties memory as it is told, and takes as long as it is told.
 *
 * `compute` lasts a fixed time from when it was called, not until a deadline: a pause delays all that follows, and is seen. What is
 * computed comes from the seed and counters alone; the clock only says when to return. `apply` writes in one go.
 *
 * Pages are filled from a pool of random words that is made in setup: at memory's speed, and as incompressible as numbers
 * get, so that no codec looks better here than on a real model. The loss is a hash of places all over the arena, so a
 * page that was lost shows in the bits.
 *
 * Patterns: `idle` writes nothing; `random` writes single pages at random places; `burst` rewrites the first
 * `writtenKib` of the arena; `adam` updates parameters and two moments in place by a gradient of a third of the arena, its delta. The
 * others' delta is 64 bytes.
 */
import { type Delta, defineProgram, type SetupContext } from '@godwit/worker/contract'

const PAGE_BYTES = 4096
const PAGE_WORDS = PAGE_BYTES / 4
/** A power of two, larger than any processor's nearest cache: 4 MiB. */
const POOL_WORDS = 2 ** 20
const DRAWS = 16
const LOSS_SAMPLES = 64
const ADAM = { rate: 0.001, beta1: 0.9, beta2: 0.999, epsilon: 1e-8 }

const sleeper = new Int32Array(new SharedArrayBuffer(4))

type State = { step: number }

interface Pattern {
  init(): void
  compute(step: number): Delta['arrays']
  apply(arrays: Delta['arrays'], step: number): void
  /** Words in which a lost page shows. */
  readonly words: Uint32Array | Float32Array
}

export default defineProgram<State>({
  name: 'synthetic',
  parameters: { seed: 1, arenaMib: 128, pattern: 'burst', writtenKib: 32 * 1024, stepMs: 100, idles: false },

  setup(context: SetupContext) {
    const { seed, stepMs, idles } = context.parameters as { seed: number; stepMs: number; idles: boolean }
    const pattern = context.parameters.pattern === 'adam' ? adam(context, seed) : pages(context, seed)
    return {
      init() {
        pattern.init()
        return { step: 0 }
      },
      compute({ step }) {
        const untilMs = performance.now() + stepMs
        const arrays = pattern.compute(step)
        const loss = sampled(pattern.words, seed, step)
        // Of many jobs on few cores: what they have in common is not the processor.
        if (idles) Atomics.wait(sleeper, 0, 0, Math.max(0, untilMs - performance.now()))
        while (performance.now() < untilMs);
        return { arrays, values: { loss } }
      },
      apply(state, { arrays, values }) {
        pattern.apply(arrays, state.step)
        state.step += 1
        return { loss: values.loss }
      },
    }
  },
})

/** `idle`, `random` and `burst`: whole pages, chosen by the delta's draws. */
function pages(context: SetupContext, seed: number): Pattern {
  const { arenaMib, pattern, writtenKib } = context.parameters as {
    arenaMib: number
    pattern: string
    writtenKib: number
  }
  if (!['idle', 'random', 'burst'].includes(pattern)) throw new RangeError(`there is no pattern ${pattern}`)
  const words = context.tensor('words', 'uint32', [arenaMib * 2 ** 18])
  context.delta('draws', 'uint32', DRAWS)
  const pool = wordPool(seed)
  const pageCount = words.length / PAGE_WORDS
  const writtenPages = pattern === 'idle' ? 0 : Math.min(pageCount, (writtenKib * 1024) / PAGE_BYTES)
  const write = (page: number, draw: number): void => {
    const from = mix(page + draw) % (POOL_WORDS - PAGE_WORDS)
    words.set(pool.subarray(from, from + PAGE_WORDS), page * PAGE_WORDS)
  }
  return {
    words,
    init() {
      for (let page = 0; page < pageCount; page++) write(page, seed)
    },
    compute: (step) => ({
      draws: Uint32Array.from({ length: DRAWS }, (_, index) => mix(seed + step * DRAWS + index)),
    }),
    apply({ draws }) {
      const drawn = draws as Uint32Array
      for (let index = 0; index < writtenPages; index++) {
        const draw = drawn[index % DRAWS] as number
        write(pattern === 'random' ? mix(draw + index) % pageCount : index, draw)
      }
    },
  }
}

/** Parameters and two moments, a third of the arena each. */
function adam(context: SetupContext, seed: number): Pattern {
  const { arenaMib } = context.parameters as { arenaMib: number }
  const count = Math.floor((arenaMib * 2 ** 18) / 3)
  const [parameters, first, second] = (['parameters', 'first', 'second'] as const).map((name) =>
    context.tensor(name, 'float32', [count]),
  ) as [Float32Array, Float32Array, Float32Array]
  context.delta('gradient', 'float32', count)
  const gradient = new Float32Array(count)
  const pool = Float32Array.from(wordPool(seed), (word) => word / 2 ** 32 - 0.5)
  return {
    words: parameters,
    init() {
      for (let at = 0; at < count; at++) parameters[at] = pool[at & (POOL_WORDS - 1)] as number
      first.fill(0)
      second.fill(0)
    },
    compute(step) {
      const from = mix(seed + step)
      for (let at = 0; at < count; at++)
        gradient[at] = (pool[(from + at) & (POOL_WORDS - 1)] as number) + 0.01 * (parameters[at] as number)
      return { gradient }
    },
    apply(arrays) {
      const given = arrays.gradient as Float32Array
      const { rate, beta1, beta2, epsilon } = ADAM
      for (let at = 0; at < count; at++) {
        const slope = given[at] as number
        const m = beta1 * (first[at] as number) + (1 - beta1) * slope
        const v = beta2 * (second[at] as number) + (1 - beta2) * slope * slope
        first[at] = m
        second[at] = v
        parameters[at] = (parameters[at] as number) - (rate * m) / (Math.sqrt(v) + epsilon)
      }
    },
  }
}

function wordPool(seed: number): Uint32Array {
  return Uint32Array.from({ length: POOL_WORDS }, (_, index) => mix(Math.imul(seed, 0x632be5ab) + index))
}

/** A hash of words all over the arena, other ones at each step: in [0, 1). */
function sampled(words: Uint32Array | Float32Array, seed: number, step: number): number {
  let hash = 0
  for (let index = 0; index < LOSS_SAMPLES; index++) {
    const at = mix(seed ^ (step * LOSS_SAMPLES + index)) % words.length
    hash = mix(hash + Math.floor((words[at] as number) * 2 ** 16) + index)
  }
  return hash / 2 ** 32
}

/**
 * A random word for each counter: the finalizer of MurmurHash3 (Appleby, public domain) behind a Weyl sequence, in 32-bit integer
 * arithmetic, which is the same on every machine.
 */
function mix(counter: number): number {
  let word = Math.imul(counter | 0, 0x9e3779b9)
  word = Math.imul(word ^ (word >>> 16), 0x85ebca6b)
  word = Math.imul(word ^ (word >>> 13), 0xc2b2ae35)
  return (word ^ (word >>> 16)) >>> 0
}
