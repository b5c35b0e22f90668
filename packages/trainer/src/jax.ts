/**
 * The only door to jax-js, which does our arithmetic in WebAssembly. Programs ask `loadJax()` for it and never
 * import it themselves, because four things must be true before its first line runs, or bits would depend on
 * the machine:
 *
 * - *No relaxed SIMD.* Its fused multiply-add rounds once or twice depending on the CPU. jax-js asks for it with
 *   one 37-byte probe module given to `WebAssembly.validate`; we answer false to exactly that probe, for ever.
 *   Should jax-js ever ask otherwise, loading fails here rather than a loss curve somewhere else.
 * - *No worker pool.* jax-js would start one lazily and then dispatch asynchronously; a step must be synchronous.
 *   It sizes its pool by `navigator.hardwareConcurrency` and does without one if asking throws: so it throws, but
 *   only while jax-js is being imported.
 * - *A `Worker` that stays defined.* jax-js decides by it whether its memory is shared, once for the memory and
 *   again for each kernel it compiles. Were it to come or go in between, kernels would no longer link.
 * - *One copy a thread.* Two programs in one thread share the library and its compiled kernels.
 *
 * jax-js moves values like Rust does: passing an array consumes it, `x.ref` keeps it. An array that nobody
 * consumes leaks from a heap that never shrinks, so what a step makes, a step passes on, reads or disposes.
 */
import type * as JaxModule from '@jax-js/jax'
import { wasm } from './webassembly.ts'

export type Jax = typeof JaxModule
export type JaxArray = JaxModule.Array

/** The whole module that jax-js validates to learn whether `f32x4.relaxed_madd` exists (WebAssembly, hex). */
export const RELAXED_MADD_PROBE = '0061736d0100000001080160037b7b7b017b030201000a0d010b00200020012002fd85020b'

/** What this thread knows of its one copy, kept where a second copy of this file finds it. */
interface JaxSlot {
  library: Promise<Jax> | undefined
  probesRefused: number
}

const slotKey = Symbol.for('godwit.trainer.jax')
const host = globalThis as { [slotKey]?: JaxSlot; Worker?: unknown }

function slot(): JaxSlot {
  host[slotKey] ??= { library: undefined, probesRefused: 0 }
  return host[slotKey]
}

/** How often jax-js was told that there is no relaxed SIMD: once after loading, since it remembers the answer. */
export function relaxedProbesRefused(): number {
  return slot().probesRefused
}

/**
 * jax-js with all guards in place and the `wasm` backend chosen; the same library on every call in a thread.
 * @throws Error when jax-js was imported before its guards, or no longer behaves as they assume.
 */
export function loadJax(): Promise<Jax> {
  const here = slot()
  here.library ??= importGuarded(here)
  return here.library
}

async function importGuarded(here: JaxSlot): Promise<Jax> {
  refuseRelaxedSimd(here)
  host.Worker ??= class {
    constructor() {
      throw new Error('A training thread computes alone: no Worker may be started from it.')
    }
  }
  const jax = await withoutProcessorCount(() => import('@jax-js/jax'))
  await jax.init('wasm')
  jax.defaultDevice('wasm')

  // The first kernel makes jax-js ask for relaxed SIMD; whoever reads this answer keeps it.
  const sum = readFloats(jax.numpy.add(jax.numpy.array(Float32Array.of(1, 2)), 1))
  if (sum[0] !== 2 || sum[1] !== 3 || here.probesRefused !== 1) {
    throw new Error(
      `jax-js asked ${here.probesRefused} times for relaxed SIMD in the way we know, not once: it has changed, ` +
        'or was imported before loadJax. Its bits could depend on the CPU.',
    )
  }
  return jax
}

function refuseRelaxedSimd(here: JaxSlot): void {
  const { validate } = wasm
  wasm.validate = (bytes) => {
    if (
      bytes.length === RELAXED_MADD_PROBE.length / 2 &&
      Buffer.from(bytes).toString('hex') === RELAXED_MADD_PROBE
    ) {
      here.probesRefused++
      return false
    }
    return validate(bytes)
  }
}

/** Runs `body` while asking for the number of processors throws; fails if `body` never asked. */
async function withoutProcessorCount<T>(body: () => Promise<T>): Promise<T> {
  const before = Object.getOwnPropertyDescriptor(globalThis, 'navigator')
  let asked = false
  const navigator = {
    get hardwareConcurrency(): number {
      asked = true
      throw new Error('The number of processors is hidden, so that no worker pool is made.')
    },
  }
  Object.defineProperty(globalThis, 'navigator', { configurable: true, value: navigator })
  try {
    const result = await body()
    if (!asked) throw new Error('jax-js was imported before loadJax: it may have a worker pool.')
    return result
  } finally {
    if (before) Object.defineProperty(globalThis, 'navigator', before)
    else Reflect.deleteProperty(globalThis, 'navigator')
  }
}

/**
 * A jax array with a copy of `values`, whose length is the product of `shape`. A view of paged memory needs no
 * copy of its own first: jax-js copies once, into its heap, and keeps no reference.
 */
export function toJax(jax: Jax, values: Float32Array | Int32Array, shape: readonly number[]): JaxArray {
  return jax.numpy.array(values as Float32Array<ArrayBuffer>, { shape: [...shape] })
}

/** The elements of a float32 array as a fresh typed array, row-major. Consumes `array`. */
export function readFloats(array: JaxArray): Float32Array {
  const values: unknown = array.dataSync()
  if (!(values instanceof Float32Array))
    throw new TypeError('readFloats was given an array that is not float32')
  return values
}

/** The one element of a float32 scalar. Consumes `array`. */
export function readScalar(array: JaxArray): number {
  const [value, ...rest] = readFloats(array)
  if (value === undefined || rest.length > 0)
    throw new TypeError('readScalar was given more or less than one element')
  return value
}
