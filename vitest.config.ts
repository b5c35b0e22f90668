/**
 * How the tests run. *Units* stand beside the code they test. Many of them share a process, since what a file imports takes longer to load
 * than its tests take to run; *fresh* are units that change their process or look at what it has loaded, each in one of its own.
 * Then *system* tests, which cross rooms and start processes: three files at a time on two cores, since each waits for something most of the
 * time. *Alone* are those that compare what the machine did with what was foreseen, or look at all that runs on it.
 *
 * Forked processes, because the rooms use worker threads, native code and process-wide state of their own.
 * GODWIT_TEST_REPORT=FILE also writes the results as JSON, which is how .ci/run counts them.
 */
import { defineConfig } from 'vitest/config'
import { BaseSequencer, type TestSpecification } from 'vitest/node'

const report = process.env.GODWIT_TEST_REPORT

const ALONE = ['at-rest', 'bandwidth', 'cluster-estimate', 'demo'].map((name) => `test/${name}.test.ts`)
/** jax-js is kept from starting threads of its own, and from fused instructions, by changing what its process offers. */
const FRESH = ['packages/trainer/src/**/*.test.ts', 'packages/trust/src/x509.test.ts']
const unit = { testTimeout: 30_000, hookTimeout: 30_000, sequence: { groupOrder: 0 } } as const
const processes = { testTimeout: 180_000, hookTimeout: 60_000 } as const

/** What computes for more than half a minute. */
const BUSY = /continuity|data-plane|cross-node|cluster\.test|checkpoint|maintenance|upgrade/
/** Others for each of them. */
const BETWEEN = 4

/** Two busy files begin, and one more after some that mostly wait: so that there is something for two cores to do from first to last. */
class BusyBetweenWaiting extends BaseSequencer {
  override async sort(files: TestSpecification[]): Promise<TestSpecification[]> {
    const sorted = await super.sort(files)
    const busy = sorted.filter(({ moduleId }) => BUSY.test(moduleId))
    const others = sorted.filter(({ moduleId }) => !BUSY.test(moduleId))
    const order = busy.splice(0, 1)
    while (busy.length > 0) order.push(...busy.splice(0, 1), ...others.splice(0, BETWEEN))
    return [...order, ...others]
  }
}

export default defineConfig({
  test: {
    sequence: { sequencer: BusyBetweenWaiting },
    pool: 'forks',
    maxWorkers: 2,
    reporters: report === undefined ? ['default'] : ['default', ['json', { outputFile: report }]],
    projects: [
      {
        extends: true,
        test: {
          ...unit,
          name: 'units',
          include: ['packages/*/src/**/*.test.ts'],
          exclude: FRESH,
          isolate: false,
        },
      },
      { extends: true, test: { ...unit, name: 'fresh', include: FRESH } },
      {
        extends: true,
        test: {
          ...processes,
          name: 'system',
          include: ['test/**/*.test.ts'],
          maxWorkers: 3,
          exclude: [
            ...ALONE,
            'test/faults/**',
            'test/compose/**',
            'test/netns/**',
            'test/arm64/**',
            'test/console/**',
          ],
          sequence: { groupOrder: 1 },
        },
      },
      {
        extends: true,
        test: {
          ...processes,
          name: 'alone',
          include: ALONE,
          fileParallelism: false,
          sequence: { groupOrder: 2 },
        },
      },
    ],
  },
})
