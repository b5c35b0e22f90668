/** `npm run test:faults`: by itself, because all of it takes hours. GODWIT_TEST_REPORT as in vitest.config.ts. */
import { defineConfig } from 'vitest/config'

const report = process.env.GODWIT_TEST_REPORT

export default defineConfig({
  test: {
    include: ['test/faults/*.test.ts'],
    pool: 'forks',
    // Runs of other configurations go on beside this one, and would write the same file.
    cache: false,
    fileParallelism: false,
    reporters: report === undefined ? ['verbose'] : ['verbose', ['json', { outputFile: report }]],
  },
})
