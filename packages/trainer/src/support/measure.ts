/**
 * Measures a program on this machine: median step time and the pages that a step changes.
 *
 *   node --import tsx packages/trainer/src/support/measure.ts mnist-mlp [steps]
 *
 * Pages are counted by comparing the arena before and after `apply`: a page written with what it held already is not
 * seen, though the kernel's tracker would report it. The last line gives the final loss bits and the arena's digest:
 * two Node versions, or two machines, must print the same one.
 */
import type { Program } from '@godwit/worker/contract'
import { PAGE_BYTES, startBench } from './bench-harness.ts'

const [name = 'mnist-mlp', stepText = '60'] = process.argv.slice(2)
const module: { default: Program } = await import(`../programs/${name}.ts`)
const bench = await startBench(module.default)
const stepCount = Number(stepText)

const computeMs: number[] = []
const applyMs: number[] = []
const pages: number[] = []
let loss = Number.NaN
for (let step = 0; step < stepCount; step++) {
  // Copying the arena empties the CPU's caches: steps whose pages are counted are not timed.
  const before = step % 5 === 4 ? bench.bytes.slice() : undefined
  const start = performance.now()
  const delta = bench.compute()
  const computed = performance.now()
  const report = bench.apply(delta)
  const end = performance.now()
  loss = report.loss
  if (report.metrics || step === stepCount - 1) {
    console.log(`step ${step}`, report, `${(end - start).toFixed(1)} ms`)
    continue
  }
  if (before) {
    pages.push(changedPages(before, bench.bytes))
    continue
  }
  computeMs.push(computed - start)
  applyMs.push(end - computed)
}

function median(values: readonly number[]): number {
  return values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)] ?? Number.NaN
}

console.log({
  node: process.version,
  computeMs: median(computeMs).toFixed(2),
  applyMs: median(applyMs).toFixed(2),
  changedPages: median(pages),
  mostChangedPages: Math.max(...pages),
  pages: bench.bytes.length / PAGE_BYTES,
})
console.log(Buffer.from(Float64Array.of(loss).buffer).toString('hex'), bench.digest())

function changedPages(before: Uint8Array, after: Uint8Array): number {
  let count = 0
  for (let at = 0; at < after.length; at += PAGE_BYTES) {
    const end = at + PAGE_BYTES
    if (Buffer.compare(before.subarray(at, end), after.subarray(at, end)) !== 0) count++
  }
  return count
}
