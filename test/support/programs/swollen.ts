/** A program that keeps in its small state what belongs into a tensor: fine to train, too large to move. */
import { LIMITS } from '@godwit/protocol'
import { defineProgram } from '@godwit/worker/contract'

export default defineProgram<{ step: number; history: Float64Array }>({
  name: 'swollen',
  setup(context) {
    const sums = context.tensor('sums', 'float64', [512])
    return {
      init() {
        sums.fill(0)
        return { step: 0, history: new Float64Array(8) }
      },
      step(state) {
        if (state.step === 4) state.history = new Float64Array(LIMITS.maxSmallStateBytes)
        state.step += 1
        sums[0] = state.step
        Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 1)
        return { loss: 1 / state.step }
      },
    }
  },
})
