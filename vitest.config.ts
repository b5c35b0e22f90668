/**
 * How the tests run. Two projects, one after the other: *units* stand beside the code they test and share the
 * cores; *system* tests cross rooms and start processes, which would starve each other, so they run one file at a
 * time.
 *
 * Forked processes, because the rooms use worker threads, native code and process-wide state of their own.
 * GODWIT_TEST_REPORT=FILE also writes the results as JSON, which is how .ci/run counts them.
 */
import { defineConfig } from 'vitest/config'

const report = process.env.GODWIT_TEST_REPORT

export default defineConfig({
  test: {
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
          name: 'system',
          include: ['test/**/*.test.ts'],
          testTimeout: 180_000,
          hookTimeout: 60_000,
          fileParallelism: false,
          sequence: { groupOrder: 1 },
        },
      },
    ],
  },
})
