/**
 * A program that depends on its host: on the bytes of a data file, as it may, and on a file that it reads behind the
 * runtime's back, as it may not. What the tests need to make two hosts differ in one thing at a time.
 *
 * Beside it lie `bound.bin`, its data, and `bound.json`: `{"pages": 16, "seed": 1}`.
 */
import { readFileSync } from 'node:fs'
import { defineProgram } from '@godwit/worker/contract'

const sleeper = new Int32Array(new SharedArrayBuffer(4))

export default defineProgram<{ step: number }>({
  name: 'bound',
  setup(context) {
    const data = context.localFile('bound.bin')
    const hidden = readFileSync(new URL('./bound.json', import.meta.url), 'utf8')
    const { pages, seed } = JSON.parse(hidden) as { pages: number; seed: number }
    const words = context.tensor('words', 'uint32', [pages * 1024])
    return {
      init() {
        words.fill(seed)
        return { step: 0 }
      },
      compute(state) {
        Atomics.wait(sleeper, 0, 0, 5)
        const byte = data[state.step % data.length] as number
        return { arrays: {}, values: { loss: ((words[0] as number) ^ byte) / 2 ** 32 } }
      },
      apply(state, delta) {
        words.fill(Math.imul((words[0] as number) + state.step, 2654435761), 0, 1024)
        state.step += 1
        return { loss: delta.values.loss }
      },
    }
  },
})
