/**
 * How the tests run. Three projects, one after the other: *units* stand beside the code they test; *system* tests cross rooms
 * and start processes, two files at a time, since most of them let one process stand while another starts; *alone* are those that
 * compare what the machine did with what was foreseen, or look at all that runs on it.
 *
 * Forked processes, because the rooms use worker threads, native code and process-wide state of their own.
 * GODWIT_TEST_REPORT=FILE also writes the results as JSON, which is how .ci/run counts them.
 */
import { defineConfig } from 'vitest/config'
import { BaseSequencer, type TestSpecification } from 'vitest/node'

const report = process.env.GODWIT_TEST_REPORT

const ALONE = ['at-rest', 'bandwidth', 'bench', 'cluster-estimate', 'demo'].map(
  (name) => `test/${name}.test.ts`,
)
const processes = { testTimeout: 180_000, hookTimeout: 60_000 } as const

/** What takes longest begins first, so that two cores end together. */
class LongestFirst extends BaseSequencer {
  override async sort(files: TestSpecification[]): Promise<TestSpecification[]> {
    const isLong = ({ moduleId }: TestSpecification): boolean => /continuity|data-plane/.test(moduleId)
    const sorted = await super.sort(files)
    return [...sorted.filter(isLong), ...sorted.filter((file) => !isLong(file))]
  }
}

export default defineConfig({
  test: {
    sequence: { sequencer: LongestFirst },
    pool: 'forks',
    maxWorkers: 2,
    reporters: report === undefined ? ['default'] : ['default', ['json', { outputFile: report }]],
    projects: [
      {
        extends: true,
        test: {
          name: 'units',
          include: ['packages/*/src/**/*.test.ts'],
          testTimeout: 30_000,
          hookTimeout: 30_000,
          sequence: { groupOrder: 0 },
        },
      },
      {
        extends: true,
        test: {
          ...processes,
          name: 'system',
          include: ['test/**/*.test.ts'],
          exclude: [...ALONE, 'test/faults/**', 'test/compose/**', 'test/netns/**', 'test/arm64/**'],
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
