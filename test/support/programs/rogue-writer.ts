/**
 * A program that breaks its promise: from its tenth step on a thread of its own writes to paged memory, whoever the runtime thinks has
 * parked. No tracker can help it, and nothing that is compared but memory itself shows it.
 */
import { Worker } from 'node:worker_threads'
import { defineProgram } from '@godwit/worker/contract'

const SCRIBBLE = `
const { workerData } = require('node:worker_threads')
const words = new Uint32Array(workerData.buffer, workerData.byteOffset, 1)
const sleeper = new Int32Array(new SharedArrayBuffer(4))
for (;;) {
  words[0] += 1
  Atomics.wait(sleeper, 0, 0, 0.2)
}`

export default defineProgram<{ step: number }>({
  name: 'rogue-writer',
  parameters: { pages: 2000, stepMs: 3 },
  setup(context) {
    const { pages, stepMs } = context.parameters as { pages: number; stepMs: number }
    const words = context.tensor('words', 'uint32', [pages * 1024])
    const scratch = context.tensor('scratch', 'uint32', [1])
    const sleeper = new Int32Array(new SharedArrayBuffer(4))
    let isRogue = false
    return {
      init() {
        words.fill(3)
        return { step: 0 }
      },
      compute({ step }) {
        Atomics.wait(sleeper, 0, 0, stepMs)
        if (step >= 10 && !isRogue) {
          isRogue = true
          const { buffer, byteOffset } = scratch
          new Worker(SCRIBBLE, { eval: true, workerData: { buffer, byteOffset } })
        }
        return { arrays: {}, values: { loss: step } }
      },
      apply(state, { values }) {
        words[(state.step % pages) * 1024] = state.step
        state.step += 1
        return { loss: values.loss }
      },
    }
  },
})
