/**
 * What every program of this room must keep of the program contract, as one suite: a program's own test calls it and
 * adds what is particular, such as how far its loss falls.
 *
 * Method: benches in one process, compared by the bits of each step's report and the digest of the arena. Where a
 * job is cut off and carried on, the step is drawn from a seed that the test's name shows.
 */
import type { Delta, Program } from '@godwit/worker/contract'
import { describe, expect, test } from 'vitest'
import { loadJax } from '../jax.ts'
import { randomIndex } from '../random.ts'
import { type Bench, startBench } from './bench-harness.ts'
import { countLiveSlots } from './live-slots.ts'

export interface SuiteOptions {
  /** Parameters other than the defaults; a small `validateEvery` so that validation is exercised. */
  overrides: Readonly<Record<string, number | string | boolean>>
  /** Steps of a run: at least 3. */
  steps: number
  /** Draws the step at which a job is saved and restored. */
  cutSeed: number
}

/** A number's 64 bits, hex: tells -0 from 0 and one NaN from another. */
export function bitsOf(value: number): string {
  return Buffer.from(Float64Array.of(value).buffer).toString('hex')
}

/** Runs steps and gives each report as bits. */
export function runSteps(bench: Bench, count: number): string[] {
  return Array.from({ length: count }, () => {
    const { loss, metrics = {} } = bench.step()
    return [loss, ...Object.values(metrics)].map(bitsOf).join(' ')
  })
}

export function describeContract(program: Program, { overrides, steps, cutSeed }: SuiteOptions): void {
  const cut = 1 + randomIndex({ seed: cutSeed, stream: 0 }, 0, steps - 1)

  describe(`${program.name} keeps the program contract`, () => {
    test(`a run, its repetition, and one saved and carried on at step ${cut} are equal to the bit`, async () => {
      const control = await startBench(program, overrides)
      const controlLosses = runSteps(control, cut)
      const snapshot = control.save()
      controlLosses.push(...runSteps(control, steps - cut))

      const repeated = await startBench(program, overrides)
      expect(runSteps(repeated, steps)).toEqual(controlLosses)
      expect(repeated.digest()).toBe(control.digest())
      expect(repeated.state).toEqual(control.state)

      const carriedOn = await startBench(program, overrides)
      runSteps(carriedOn, 1) // As after a rehearsal: what is there must not matter.
      carriedOn.restore(snapshot)
      expect(runSteps(carriedOn, steps - cut)).toEqual(controlLosses.slice(cut))
      expect(carriedOn.digest()).toBe(control.digest())
      expect(carriedOn.state).toEqual(control.state)
    })

    test('another seed gives another run', async () => {
      const [one, other] = [
        await startBench(program, { ...overrides, seed: 1 }),
        await startBench(program, { ...overrides, seed: 2 }),
      ]
      expect(one.digest()).not.toBe(other.digest())
      expect(runSteps(one, 3)).not.toEqual(runSteps(other, 3))
    })

    test('compute gives the same delta each time and changes nothing', async () => {
      const bench = await startBench(program, overrides)
      runSteps(bench, 2)
      const before = { digest: bench.digest(), state: structuredClone(bench.state) }
      const first = bench.compute()
      const firstBits = deltaBits(first)
      expect(deltaBits(bench.compute())).toEqual(firstBits)
      expect(deltaBits(first), 'an earlier delta was written over').toEqual(firstBits)
      expect({ digest: bench.digest(), state: bench.state }).toEqual(before)
    })

    test('init starts over, whatever the tensors held', async () => {
      const bench = await startBench(program, overrides)
      const [digest, state] = [bench.digest(), structuredClone(bench.state)]
      bench.bytes.fill(0x3f)
      bench.init()
      // What lies between tensors is nobody's: it may keep the filling.
      expect(bench.state).toEqual(state)
      for (const { from, to } of bench.gaps) bench.bytes.fill(0, from, to)
      expect(bench.digest()).toBe(digest)
    })

    test(`${steps} steps keep nothing alive in jax-js`, async () => {
      const bench = await startBench(program, overrides)
      runSteps(bench, 1) // The first step compiles, and keeps what it compiled.
      const { made, kept } = await countLiveSlots(await loadJax(), () => runSteps(bench, steps))
      expect(made).toBeGreaterThan(steps)
      expect(kept).toBe(0)
    })

    test('small state and delta survive being cloned, as in a move between compute and apply', async () => {
      const [control, moved] = [await startBench(program, overrides), await startBench(program, overrides)]
      control.step()
      const delta = structuredClone(moved.compute())
      moved.restore(moved.save())
      moved.apply(delta)
      expect(moved.digest()).toBe(control.digest())
      expect(moved.state).toEqual(control.state)
    })
  })
}

function deltaBits({ arrays, values }: Delta): unknown {
  const bytes = Object.entries(arrays).map(([name, array]) => [
    name,
    Buffer.from(array.buffer, array.byteOffset, array.byteLength).toString('base64'),
  ])
  return { bytes, values: structuredClone(values) }
}
