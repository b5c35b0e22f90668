/**
 * What every dense program here does the same way: declare a set of weights with their Adam moments in paged
 * memory, fill them from a seed, hand them to jax-js as one tree, and read a tree of gradients back.
 *
 * Invariant: names and order come from one literal in the program, so that every host lays the arena out alike.
 */
import type { SetupContext, TypedArray } from '@godwit/worker/contract'
import type { AdamTensor } from './adam.ts'
import { type Jax, type JaxArray, readFloats, toJax } from './jax.ts'
import { fillUniform } from './random.ts'

/** A trained tensor by its name and shape; row-major. */
export interface Weight extends AdamTensor {
  readonly name: string
  readonly shape: readonly number[]
}

/** Weights in the order of their declaration. */
export type Weights = readonly Weight[]

/**
 * Declares for each shape three float32 tensors (`name`, `name.first`, `name.second`) and a delta array `name` for
 * its gradient. Values lie together, then first moments, then second moments.
 */
export function declareWeights(
  context: SetupContext,
  shapes: Readonly<Record<string, readonly number[]>>,
): Weights {
  const declare = (suffix: string) =>
    Object.entries(shapes).map(([name, shape]) => context.tensor(name + suffix, 'float32', shape))
  const [values, firsts, seconds] = [declare(''), declare('.first'), declare('.second')] as const
  return Object.entries(shapes).map(([name, shape], i) => {
    const value = values[i] as Float32Array
    context.delta(name, 'float32', value.length)
    return { name, shape, value, first: firsts[i] as Float32Array, second: seconds[i] as Float32Array }
  })
}

/** Zeroes both moments of every weight. */
export function clearMoments(weights: Weights): void {
  for (const { first, second } of weights) {
    first.fill(0)
    second.fill(0)
  }
}

/**
 * Fills a matrix of shape [inputs, outputs] uniformly within +-sqrt(6 / (inputs + outputs)) (Glorot and Bengio,
 * AISTATS 2010). Uniform, because a normal distribution needs logarithms or cosines.
 */
export function fillGlorot(weight: Weight, seed: number, stream: number): void {
  const [inputs, outputs] = weight.shape
  if (inputs === undefined || outputs === undefined) throw new TypeError(`${weight.name} is no matrix`)
  fillUniform(weight.value, { seed, stream }, Math.sqrt(6 / (inputs + outputs)))
}

/** Copies all values into jax-js; whoever calls the compiled step with the tree gives it away. */
export function toTree<Name extends string>(jax: Jax, weights: Weights): Record<Name, JaxArray> {
  const tree: Record<string, JaxArray> = {}
  for (const { name, value, shape } of weights) tree[name] = toJax(jax, value, shape)
  return tree
}

/** Reads the gradients of a tree that `toTree` shaped, and frees them. */
export function readGradients(tree: Readonly<Record<string, JaxArray>>): Record<string, Float32Array> {
  return Object.fromEntries(Object.entries(tree).map(([name, gradient]) => [name, readFloats(gradient)]))
}

/** The gradient of a weight in a delta's arrays. */
export function gradientOf(arrays: Readonly<Record<string, TypedArray>>, name: string): Float32Array {
  const gradient = arrays[name]
  if (!(gradient instanceof Float32Array))
    throw new TypeError(`The delta holds no float32 gradient for ${name}`)
  return gradient
}
