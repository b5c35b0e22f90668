/** `npm run fuzz`: by itself, a stage of CI, because it takes a minute. GODWIT_TEST_REPORT as in vitest.config.ts. */
import { defineConfig } from 'vitest/config'

const report = process.env.GODWIT_TEST_REPORT
// One for all files, which are processes.
process.env.GODWIT_SEED ??= String(Date.now() % 1_000_000)

export default defineConfig({
  test: {
    include: ['test/fuzz/*.fuzz.ts'],
    // At the lowest priority beside others a test waits for longer than it runs.
    testTimeout: 120_000,
    pool: 'forks',
    // Runs of other configurations go on beside this one, and would write the same file.
    cache: false,
    maxWorkers: 2,
    reporters: report === undefined ? ['verbose'] : ['verbose', ['json', { outputFile: report }]],
  },
})
