/**
 * A small program that rewrites as much as it is told, as slowly as it is told, and fails where it is told: what the
 * tests need that no real model offers. Its numbers are integer hashes, so every bit of them can be checked.
 */
import { existsSync } from 'node:fs'
import { defineProgram } from '@godwit/worker/contract'

const sleeper = new Int32Array(new SharedArrayBuffer(4))

export default defineProgram<{ step: number; sum: number }>({
  name: 'mixer',
  parameters: {
    seed: 1,
    pages: 64,
    dirtyPages: 16,
    /** Pages at the end of which each step writes something else and then what was there before. */
    flippedPages: 0,
    stepMs: 2,
    /** Once this file is there steps take no time; the bits are the same. */
    hurryFile: '',
    failIn: 'nowhere',
    failAt: 5,
    version: 1,
  },
  setup(context) {
    const { pages, dirtyPages, flippedPages, stepMs, hurryFile, seed, failIn, failAt } =
      context.parameters as {
        pages: number
        flippedPages: number
        dirtyPages: number
        stepMs: number
        hurryFile: string
        seed: number
        failIn: string
        failAt: number
      }
    if (failIn === 'setup') throw new Error('asked to fail in setup')
    const words = context.tensor('words', 'uint32', [pages * 1024])
    context.delta('mixed', 'uint32', dirtyPages)
    const maybeFail = (where: string, step: number): void => {
      if (failIn === 'exit' && step === failAt) process.exit(0)
      if (failIn === where && step === failAt) throw new Error(`asked to fail in ${where}`)
    }
    return {
      init() {
        for (let index = 0; index < words.length; index++) words[index] = Math.imul(index + seed, 2654435761)
        return { step: 0, sum: 0 }
      },
      compute(state) {
        if (stepMs > 0 && !(hurryFile !== '' && existsSync(hurryFile))) Atomics.wait(sleeper, 0, 0, stepMs)
        maybeFail('compute', state.step)
        const mixed = Uint32Array.from({ length: dirtyPages }, (_, index) => {
          const page = Math.imul(state.step * 31 + index, 2654435761) >>> 0
          const at = (page % pages) * 1024
          return Math.imul((words[at] as number) ^ (state.step + index), 2246822519)
        })
        const loss = failIn === 'loss' && state.step === failAt ? Number.NaN : (mixed[0] as number) / 2 ** 32
        return { arrays: { mixed }, values: { loss } }
      },
      apply(state, delta) {
        maybeFail('apply', state.step)
        const mixed = delta.arrays.mixed as Uint32Array
        for (let index = 0; index < mixed.length; index++) {
          const page = (Math.imul(state.step * 31 + index, 2654435761) >>> 0) % pages
          words.fill((mixed[index] as number) + index, page * 1024, (page + 1) * 1024)
        }
        for (let page = pages - flippedPages; page < pages; page++) {
          const flipped = words.subarray(page * 1024, (page + 1) * 1024)
          const before = flipped.slice()
          flipped.fill(state.step)
          flipped.set(before)
        }
        state.step += 1
        state.sum = (state.sum + (mixed[0] as number)) % 2 ** 32
        return { loss: delta.values.loss, metrics: { sum: state.sum } }
      },
    }
  },
})
