/** `mixer`, which says what it does: in `init`, and in each step's `compute` and `apply`. */
import { defineProgram } from '@godwit/worker/contract'
import mixer from './mixer.ts'

export default defineProgram<{ step: number; sum: number }>({
  name: 'talker',
  parameters: { ...mixer.parameters },
  async setup(context) {
    const steps = await mixer.setup(context)
    if (!('compute' in steps)) throw new Error('mixer splits its steps')
    return {
      ...steps,
      init() {
        console.log('init \u001b[31mred\u001b[0m \u0007')
        return steps.init()
      },
      compute(state) {
        console.error(`compute ${state.step}`)
        return steps.compute(state)
      },
      apply(state, delta) {
        console.log(`apply ${state.step}`)
        return steps.apply(state, delta)
      },
    }
  },
})
