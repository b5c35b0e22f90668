/** A program that does what programs should not: its loss depends on a Math function whose bits are nobody's promise. */
import { defineProgram } from '@godwit/worker/contract'

const functions: Record<string, (x: number, y: number) => number> = {
  exp: (x) => Math.exp(x),
  sin: (x) => Math.sin(x),
  cos: (x) => Math.cos(x),
  tan: (x) => Math.tan(x),
  pow: (x, y) => x ** y,
  expm1: (x) => Math.expm1(x),
  log1p: (x) => Math.log1p(x),
  sinh: (x) => Math.sinh(x),
  cosh: (x) => Math.cosh(x),
  asinh: (x) => Math.asinh(x),
  atan: (x) => Math.atan(x),
  log2: (x) => Math.log2(x),
}

const value = new Float64Array(1)
const words = new Uint32Array(value.buffer)

export default defineProgram<{ step: number }>({
  name: 'transcendental',
  parameters: { fn: 'exp' },
  setup(context) {
    const sums = context.tensor('sums', 'float64', [1])
    const fn = functions[context.parameters.fn as string]
    if (fn === undefined) throw new Error(`no function ${context.parameters.fn}`)
    return {
      init() {
        sums[0] = 0
        return { step: 0 }
      },
      compute() {
        // Every bit counts: a sum would round some of them away.
        let hash = 0
        for (let index = 1; index <= 20000; index++) {
          value[0] = fn(index / 1777, 1.37)
          hash = Math.imul(hash ^ (words[0] as number), 0x9e3779b1) ^ (words[1] as number)
        }
        return { arrays: {}, values: { loss: (hash >>> 0) / 2 ** 32 } }
      },
      apply(state, delta) {
        sums[0] = delta.values.loss
        state.step += 1
        return { loss: delta.values.loss }
      },
    }
  },
})
